public import FeedbackCore

/// The limits of a ``SQLiteStore``.
public struct SQLiteStoreLimits: Sendable {
    /// The time for which a connection waits for a lock that another process holds.
    public var busyTimeout: Duration
    /// The time for which opening waits for another process that is opening a database in the same
    /// folder.
    public var openTimeout: Duration
    /// The maximum number of concurrent reads, at least 1; further ones wait.
    public var readersMax: Int
    /// The maximum number of reads that run or wait; a further one is refused.
    public var readQueueLengthMax: Int
    /// The length of the write-ahead log, in bytes, from which on it is copied into the database.
    ///
    /// A long read can make the log longer.
    public var walBytesBeforeCheckpoint: Int
    /// The length of the write-ahead log's file, in bytes, from which on it is reported, and cut back
    /// as soon as no read needs it.
    public var walBytesBeforeWarning: Int
    /// The limits of the write queue and of one transaction.
    public var writes: CommitLimits

    /// Makes limits.
    public init(
        busyTimeout: Duration = .seconds(2),
        openTimeout: Duration = .seconds(10),
        readersMax: Int = 4,
        readQueueLengthMax: Int = 4_096,
        walBytesBeforeCheckpoint: Int = 4 << 20,
        walBytesBeforeWarning: Int = 64 << 20,
        writes: CommitLimits = CommitLimits()
    ) {
        self.busyTimeout = busyTimeout
        self.openTimeout = openTimeout
        self.readersMax = readersMax
        self.readQueueLengthMax = readQueueLengthMax
        self.walBytesBeforeCheckpoint = walBytesBeforeCheckpoint
        self.walBytesBeforeWarning = walBytesBeforeWarning
        self.writes = writes
    }
}
