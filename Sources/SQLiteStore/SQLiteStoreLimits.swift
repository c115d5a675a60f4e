public import FeedbackCore

/// The limits of a ``SQLiteStore``.
public struct SQLiteStoreLimits: Sendable {
    /// How long a connection waits for a lock that another process holds.
    public var busyTimeout: Duration
    /// How many reads run at once, at least 1; further ones wait.
    public var readersMax: Int
    /// How many reads may run and wait; one more is refused.
    public var readQueueLengthMax: Int
    /// How many bytes of pages the write-ahead log collects before they are copied into the
    /// database.
    ///
    /// With a long read under way it grows beyond that.
    public var walBytesBeforeCheckpoint: Int
    /// Of the write queue and of one transaction.
    public var writes: GroupCommitLimits

    /// Makes limits.
    public init(
        busyTimeout: Duration = .seconds(2),
        readersMax: Int = 4,
        readQueueLengthMax: Int = 4_096,
        walBytesBeforeCheckpoint: Int = 4 << 20,
        writes: GroupCommitLimits = GroupCommitLimits()
    ) {
        self.busyTimeout = busyTimeout
        self.readersMax = readersMax
        self.readQueueLengthMax = readQueueLengthMax
        self.walBytesBeforeCheckpoint = walBytesBeforeCheckpoint
        self.writes = writes
    }
}
