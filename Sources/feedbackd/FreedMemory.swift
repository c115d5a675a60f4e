internal import CLinux
internal import Dispatch

/// The memory that the program has freed and that the C library keeps for its next allocations.
enum FreedMemory {
    /// The maximum of memory that the C library may keep, in bytes; a peak of load can leave
    /// several times as much.
    private static let keptBytesMax = 8 << 20
    private static let interval = DispatchTimeInterval.seconds(5)

    /// Returns freed memory to the system every few seconds, until the timer is cancelled.
    static func returnRegularly() -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "feedbackd.memory"))
        timer.schedule(deadline: .now() + interval, repeating: interval, leeway: .seconds(1))
        timer.setEventHandler {
            if mallinfo2().fordblks > keptBytesMax { malloc_trim(0) }
        }
        timer.activate()
        return timer
    }
}
