internal import Glibc

/// The time since an arbitrary fixed point, in nanoseconds.
enum MonotonicClock {
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * second + Int64(time.tv_nsec)
    }

    static let second: Int64 = 1_000_000_000
}

extension timespec {
    /// Makes a duration.
    init(nanoseconds: Int64) {
        self.init(
            tv_sec: Int(nanoseconds / MonotonicClock.second),
            tv_nsec: Int(nanoseconds % MonotonicClock.second)
        )
    }
}
