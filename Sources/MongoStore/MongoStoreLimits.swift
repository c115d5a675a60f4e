public import FeedbackCore

/// The limits of a ``MongoStore``.
public struct MongoStoreLimits: Sendable {
    /// How many reads and changes of metadata run at once, each on a connection of its own, at least
    /// 1; further ones wait.
    public var readersMax: Int
    /// How many of them may run and wait; one more is refused.
    public var readQueueLengthMax: Int
    /// About how many bytes of feedback one bulk write takes; at most 12 MiB count, since all of it
    /// may be one statement, to which MongoDB allows 16 MiB.
    public var bulkBytesMax: Int
    /// Of the write queue and of one bulk write.
    public var writes: GroupCommitLimits

    /// Makes limits.
    public init(
        readersMax: Int = 4,
        readQueueLengthMax: Int = 4_096,
        bulkBytesMax: Int = 8 << 20,
        writes: GroupCommitLimits = GroupCommitLimits()
    ) {
        self.readersMax = readersMax
        self.readQueueLengthMax = readQueueLengthMax
        self.bulkBytesMax = bulkBytesMax
        self.writes = writes
    }

    /// How many bulk writes are under way at once: a server works on each on one core, and then waits
    /// for the majority's journals about half as long.
    static let writerCount = 3
    /// How long a write whose outcome is unknown is repeated, and how long calls wait for a primary
    /// unless the URI says otherwise.
    static let repetitionTimeout = Duration.seconds(5)
    /// How many bytes of a bulk write may be one statement.
    static let statementBytesMax = 12 << 20
    /// How many sessions are remembered to be there.
    static let seenSessionsMax = 10_000
    /// How often the store looks whether MongoDB serves.
    static let pingInterval = Duration.seconds(1)
    /// How long after the last answer MongoDB counts as serving.
    static let answerAgeMax = Duration.milliseconds(1_750)
    /// How long the question whether it serves waits for a connection, and for its answer.
    static let pingTimeout = Duration.milliseconds(1_500)
    /// How often a batch looks up an append that is neither stored nor refused, before it makes room
    /// for others.
    static let lookUpsMax = 3
}
