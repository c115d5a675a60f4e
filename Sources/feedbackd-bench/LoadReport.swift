internal import Foundation
internal import Histogram

/// The result of a load as JSON, in the format of all load programs of the benchmark.
struct LoadReport: Encodable {
    /// The number of calls that succeeded; the latencies are of these only.
    var calls = 0
    /// The number of calls that failed or had no reply.
    var errors: Int
    var seconds: Double
    var callsPerSecond = 0.0
    var latencyNs: Latency
    /// Pairs of a percentile and its latency in nanoseconds.
    var percentiles: [[Double]]
    var errorsByCode: [String: Int] = [:]

    struct Latency: Encodable {
        var p50: UInt64
        var p90: UInt64
        var p99: UInt64
        var p999: UInt64
        var max: UInt64
        var mean: Double
    }

    /// Merges the results of the threads.
    init(_ results: [LoadResult]) {
        var latencies = results[0].latencies
        for result in results.dropFirst() { latencies.add(result.latencies) }
        for result in results {
            let calls = Int(result.latencies.totalCount)
            let seconds = Double(result.nanoseconds) / 1e9
            self.calls += calls
            callsPerSecond += Double(calls) / seconds
            for code in result.failures.indices where result.failures[code] > 0 {
                errorsByCode["\(code)", default: 0] += result.failures[code]
            }
            if result.unfinished > 0 {
                errorsByCode["unfinished", default: 0] += result.unfinished
            }
        }
        errors = errorsByCode.values.reduce(0, +)
        seconds = results.map { Double($0.nanoseconds) / 1e9 }.max() ?? 0
        latencyNs = Latency(
            p50: latencies.valueAtPercentile(50),
            p90: latencies.valueAtPercentile(90),
            p99: latencies.valueAtPercentile(99),
            p999: latencies.valueAtPercentile(99.9),
            max: latencies.maxRecorded,
            mean: latencies.mean
        )
        percentiles = latencies.percentiles(ticksPerHalfDistance: 5).map {
            [$0.percentileLevelIteratedTo, Double($0.value)]
        }
    }

    /// Writes the report to a file; "-" means standard output.
    func write(to path: String) throws { try JSONReport.write(self, to: path) }
}

/// A report as JSON, on one line.
enum JSONReport {
    /// Writes a report to a file; "-" means standard output.
    static func write(_ report: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
        let json = try encoder.encode(report) + Data("\n".utf8)
        if path == "-" {
            try FileHandle.standardOutput.write(contentsOf: json)
        } else {
            try json.write(to: URL(fileURLWithPath: path))
        }
    }
}
