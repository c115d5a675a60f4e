/// How many writes a store takes in that makes one transaction of those that wait.
public struct GroupCommitLimits: Sendable {
    /// How many writes may wait; one more is refused.
    public var queueLengthMax: Int
    /// How many writes one transaction takes.
    public var batchLengthMax: Int

    /// Makes limits.
    public init(queueLengthMax: Int = 16_384, batchLengthMax: Int = 1_024) {
        self.queueLengthMax = queueLengthMax
        self.batchLengthMax = batchLengthMax
    }
}
