public import FeedbackCore

/// The limits of a ``MongoStore``.
public struct MongoStoreLimits: Sendable {
    /// The maximum number of concurrent reads, each on a connection of its own, at least 1; further
    /// ones wait.
    public var readersMax: Int
    /// The maximum number of reads that run or wait; a further one is refused.
    public var readQueueLengthMax: Int
    /// The approximate maximum of the feedback in one bulk write, in bytes; values above 12 MiB
    /// count as 12 MiB, since all of it may be one statement, which MongoDB limits to 16 MiB.
    public var bulkBytesMax: Int
    /// The limits of the write queue and of one bulk write.
    public var writes: CommitLimits

    /// Makes limits.
    public init(
        readersMax: Int = 4,
        readQueueLengthMax: Int = 4_096,
        bulkBytesMax: Int = 8 << 20,
        writes: CommitLimits = CommitLimits()
    ) {
        self.readersMax = readersMax
        self.readQueueLengthMax = readQueueLengthMax
        self.bulkBytesMax = bulkBytesMax
        self.writes = writes
    }

    /// The number of concurrent batches of writes: a server works on each with one core, and then
    /// waits for the majority's journals about half as long.
    static let writerCount = 3
    /// The maximum number of calls of ``MongoStore/replicate(_:)`` at once.
    public static let replicationsMax = 3
    /// The time for which an undecided write is repeated.
    static let repetitionTimeout = Duration.seconds(5)
    /// The maximum number of bytes of a bulk write in one statement.
    static let statementBytesMax = 12 << 20
    /// The maximum number of sessions that are remembered to exist.
    static let seenSessionsMax = 10_000
    /// The longest wait of a server for further changes, after which a stream of changes can be
    /// closed.
    static let changesWait = Duration.milliseconds(250)
    /// The longest wait of a server for further changes of a reader that is behind.
    static let pageWait = Duration.milliseconds(50)
    /// The maximum number of changes that a server sends at once; together they have at most 16 MB.
    static let changesBatchMax = 1_000
    /// The maximum number of changes that are kept for the readers at the end of the log, who share
    /// one stream.
    static let feedLengthMax = 10_000
    /// The approximate maximum of the feedback in those changes, in bytes.
    static let feedBytesMax = 8 << 20
    /// The time after which a stream of changes that cannot be gone on with is opened again.
    static let changesRetryInterval = Duration.milliseconds(250)
    /// The time after which the readers are told that the stream of changes cannot be gone on with.
    static let changesOutageMax = Duration.seconds(30)
    /// The interval between two pings.
    static let pingInterval = Duration.seconds(1)
    /// The time after the last answer for which MongoDB counts as serving.
    static let answerAgeMax = Duration.milliseconds(1_750)
    /// The time for which a ping waits for a connection, and for its answer.
    static let pingTimeout = Duration.milliseconds(1_500)
}
