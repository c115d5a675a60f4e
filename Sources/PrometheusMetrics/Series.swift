internal import CoreMetrics

/// The values of one metric with one set of labels, in Prometheus' text format.
protocol Series: AnyObject, Sendable {
    static var kind: String { get }

    /// Appends the series' lines to the page; `labels` is `a="b",c="d"` or empty.
    func write(_ name: String, _ labels: String, to page: inout String)
}

final class CounterSeries: Series, CounterHandler {
    static let kind = "counter"
    private let cells = ShardedCells(1)

    func increment(by amount: Int64) { cells.add(amount, to: 0) }
    func reset() { cells.set(0, at: 0) }

    func write(_ name: String, _ labels: String, to page: inout String) {
        page.addLine(name, labels, String(cells.sum(0)))
    }
}

final class FloatingPointCounterSeries: Series, FloatingPointCounterHandler {
    static let kind = "counter"
    private let cells = ShardedCells(1)

    func increment(by amount: Double) { if amount >= 0 { cells.addDouble(amount, to: 0) } }
    func reset() { cells.set(0, at: 0) }

    func write(_ name: String, _ labels: String, to page: inout String) {
        page.addLine(name, labels, number(cells.sumOfDoubles(0)))
    }
}

/// A gauge, which is also a recorder that keeps only the last value.
final class GaugeSeries: Series, MeterHandler, RecorderHandler {
    static let kind = "gauge"
    private let cells = ShardedCells(1)

    func set(_ value: Int64) { cells.set(Double(value), at: 0) }
    func set(_ value: Double) { cells.set(value, at: 0) }
    func increment(by amount: Double) { cells.addDouble(amount, to: 0) }
    func decrement(by amount: Double) { cells.addDouble(-amount, to: 0) }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }

    func write(_ name: String, _ labels: String, to page: inout String) {
        page.addLine(name, labels, number(cells.sumOfDoubles(0)))
    }
}

/// A histogram with fixed buckets.
final class HistogramSeries: Series, TimerHandler, RecorderHandler {
    static let kind = "histogram"

    /// The bucket bounds of durations, 10 µs to 10 s, in nanoseconds; the page shows seconds.
    static let times: [Double] = [
        1e4, 2.5e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9,
        2.5e9, 5e9, 1e10,
    ]
    /// The bucket bounds of counts and lengths: 1 to 16,384.
    static let sizes: [Double] = (0...14).map { Double(1 << $0) }

    /// The upper bounds of all buckets but the last, in ascending order.
    private let bounds: [Double]
    /// The divisor that converts recorded values into those of the page.
    private let divisor: Double
    /// The counts of the buckets, followed by the sum of the values.
    private let cells: ShardedCells

    init(bounds: [Double], divisor: Double = 1) {
        self.bounds = bounds
        self.divisor = divisor
        cells = ShardedCells(bounds.count + 2)
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration)) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if value <= bounds[middle] { high = middle } else { low = middle + 1 }
        }
        cells.addOne(to: low, andDouble: value, to: bounds.count + 1)
    }

    func write(_ name: String, _ labels: String, to page: inout String) {
        let separator = labels.isEmpty ? "" : ","
        var count: Int64 = 0
        for bucket in 0...bounds.count {
            count += cells.sum(bucket)
            let bound = bucket < bounds.count ? bounds[bucket] / divisor : .infinity
            let bucketLabels = "\(labels)\(separator)le=\"\(number(bound))\""
            page.addLine("\(name)_bucket", bucketLabels, String(count))
        }
        page.addLine("\(name)_sum", labels, number(cells.sumOfDoubles(bounds.count + 1) / divisor))
        page.addLine("\(name)_count", labels, String(count))
    }
}

extension String {
    fileprivate mutating func addLine(_ name: String, _ labels: String, _ value: String) {
        self += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }
}

/// Returns a number in Prometheus' text format.
private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return Int64(exactly: value).map { String($0) } ?? "\(value)"
}
