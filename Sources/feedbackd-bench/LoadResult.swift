internal import Histogram

/// The counts of one thread.
struct LoadResult: Sendable {
    /// The latencies of the calls that succeeded, in nanoseconds.
    private(set) var latencies = Histogram<UInt32>(
        highestTrackableValue: Self.latencyMax,
        numberOfSignificantValueDigits: .three
    )
    /// The number of failed calls by status code; the last place counts values that are not a code.
    private(set) var failures = InlineArray<18, Int>(repeating: 0)
    /// The number of calls without a reply when the loop stopped waiting.
    var unfinished = 0
    var nanoseconds: Int64 = 0

    /// The maximum latency, an hour; longer ones are counted as an hour.
    private static let latencyMax: UInt64 = 3_600_000_000_000

    @inline(__always)
    mutating func count(latency: Int64, statusCode: Int) {
        if statusCode == 0 {
            latencies.record(min(UInt64(max(latency, 0)), Self.latencyMax))
        } else {
            failures[min(statusCode, failures.count - 1)] += 1
        }
    }
}
