public import FeedbackModel
internal import Glibc

extension Timestamp {
    /// The present time of the system's clock (CLOCK_REALTIME).
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(
            millisecondsSinceEpoch: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
        )
    }
}
