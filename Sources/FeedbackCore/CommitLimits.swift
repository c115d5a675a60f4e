/// The limits of a ``CommitQueue``.
public struct CommitLimits: Sendable {
    /// The maximum number of writes that wait; a further one is refused.
    ///
    /// The processes of one user leave an eighth of the places to others.
    public var queueLengthMax: Int
    /// The maximum number of writes in one batch.
    public var batchLengthMax: Int

    /// Makes limits.
    public init(queueLengthMax: Int = 16_384, batchLengthMax: Int = 1_024) {
        self.queueLengthMax = queueLengthMax
        self.batchLengthMax = batchLengthMax
    }
}
