/// The limits of a cursor.
enum CursorLimits {
    /// The maximum number of changes that are read at once.
    static let batchLength = 256
    /// The number of bytes of feedback after which a batch ends, and with which no further one is
    /// read.
    static let batchBytes = 1 << 20
    /// The number of timeouts in a row after which the destination counts as away.
    static let timeoutsInARow = 3
    /// The number of outcomes with which progress is recorded at once.
    static let outcomesMax = 1_024
    /// The longest time for which progress is not recorded, and so the time whose deliveries are
    /// repeated after a crash.
    static let recordInterval = Duration.milliseconds(500)
    /// The time without deliveries after which progress is recorded at once.
    static let idleTime = Duration.milliseconds(50)
    /// The time after the end of the log was read for which further changes gather.
    static let gatherTime = Duration.milliseconds(10)
    /// The time from one full batch to the next while the log grows, so that a cursor far behind
    /// leaves the processors to those who add.
    static let restTime = Duration.milliseconds(30)
    /// The longest wait for a signal: another process may have written to the same database.
    static let pollInterval = Duration.seconds(1)
    /// The time over which the deliveries that wait are spread after a start.
    static let startSpread = Duration.seconds(1)
    /// The wait after an error of the store.
    static let storeInterval = Duration.milliseconds(500)
}
