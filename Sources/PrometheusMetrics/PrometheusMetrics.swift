public import CoreMetrics
internal import Synchronization

/// Collects what is recorded through swift-metrics, and writes it as a page in Prometheus' text
/// format (prometheus.io, "Exposition formats", version 0.0.4).
///
/// Counters, gauges (meters, and recorders that do not aggregate) and histograms (timers, in seconds
/// from 10 µs to 10 s, and aggregating recorders, from 1 to 16,384). Recording takes no lock and no
/// system call. An instrument of a name and labels that are there already is the same one; characters
/// that Prometheus does not know in names become `_`.
///
///     let metrics = PrometheusMetrics(help: ["demo_calls_total": "Calls."])
///     MetricsSystem.bootstrap(metrics)
///     Counter(label: "demo_calls_total", dimensions: [("code", "OK")]).increment()
///     print(metrics.page)
public final class PrometheusMetrics: MetricsFactory {
    /// How many sets of labels one name may have; what has further ones is counted together, with
    /// the one label `overflow="true"`.
    public static let seriesPerNameMax = 1_000
    /// The page's media type.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private struct Family {
        let kind: String
        /// By their labels as they are written.
        var series: [String: any Series] = [:]
    }

    private let help: [String: String]
    private let families = Mutex<[String: Family]>([:])

    /// Makes an empty collection.
    ///
    /// - Parameter help: what each name counts, in a line for people.
    public init(help: [String: String] = [:]) { self.help = help }

    /// Everything as it is now, sorted by names and labels.
    public var page: String {
        let families = self.families.withLock { $0 }
        var page = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            if let help = help[name] { page += "# HELP \(name) \(escaped(help))\n" }
            page += "# TYPE \(name) \(family.kind)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(name, labels, to: &page)
            }
        }
        return page
    }

    private func series<S: Series>(
        _ label: String,
        _ dimensions: [(String, String)],
        _ make: () -> S
    ) -> S {
        let name = validName(label)
        let labels =
            dimensions.map { "\(validName($0))=\"\(escaped($1, quotes: true))\"" }
            .joined(separator: ",")
        return families.withLock { families in
            var family = families[name] ?? Family(kind: S.kind)
            // What has another kind under the same name works, but has no place on the page.
            guard family.kind == S.kind else { return make() }
            let isFull = family.series.count >= Self.seriesPerNameMax
            let key = isFull && family.series[labels] == nil ? #"overflow="true""# : labels
            if let known = family.series[key] { return known as? S ?? make() }
            let made = make()
            family.series[key] = made
            families[name] = family
            return made
        }
    }
}

// MARK: - MetricsFactory

extension PrometheusMetrics {
    /// See `MetricsFactory`.
    public func makeCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any CounterHandler {
        series(label, dimensions) { CounterSeries() }
    }

    /// See `MetricsFactory`.
    public func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions) { FloatingPointCounterSeries() }
    }

    /// See `MetricsFactory`.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions) { GaugeSeries() }
    }

    /// See `MetricsFactory`.
    public func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? series(label, dimensions) { HistogramSeries(bounds: HistogramSeries.sizes) }
            : series(label, dimensions) { GaugeSeries() }
    }

    /// See `MetricsFactory`.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions) { HistogramSeries(bounds: HistogramSeries.times, divisor: 1e9) }
    }

    // A name that was there stays on the page: Prometheus wants counters to go on.

    /// See `MetricsFactory`.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// See `MetricsFactory`.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    /// See `MetricsFactory`.
    public func destroyMeter(_ handler: any MeterHandler) {}
    /// See `MetricsFactory`.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// See `MetricsFactory`.
    public func destroyTimer(_ handler: any TimerHandler) {}
}

// MARK: - Text

/// The text with only the characters that Prometheus has in names.
private func validName(_ text: String) -> String {
    var name = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "a"..."z", "A"..."Z", "_": name.unicodeScalars.append(scalar)
        case "0"..."9" where !name.isEmpty: name.unicodeScalars.append(scalar)
        default: name += "_"
        }
    }
    return name.isEmpty ? "_" : name
}

private func escaped(_ text: String, quotes: Bool = false) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\"" where quotes: result += "\\\""
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}
