internal import Histogram

/// What a thread has counted.
struct LoadResult: Sendable {
    /// Of calls that succeeded, in nanoseconds.
    private(set) var latencies = Histogram<UInt32>(
        highestTrackableValue: Self.latencyMax,
        numberOfSignificantValueDigits: .three
    )
    /// How many calls failed, by status code; the last place takes what is no code.
    private(set) var failures = InlineArray<18, Int>(repeating: 0)
    /// How many calls had no reply when it was given up.
    var unfinished = 0
    var nanoseconds: Int64 = 0

    /// An hour; whatever takes longer is counted as that.
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
