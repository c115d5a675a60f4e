import FeedbackCore
import FeedbackModel

/// An append that waits for its bulk write.
struct Append: Sendable {
    let feedback: Feedback
    let missingSession: MissingSessionPolicy
    let context: CallContext
    let arrivedAt: ContinuousClock.Instant
}

/// The answer to an append of which, for the time being, cannot be said whether it is stored.
///
/// It may be sent again in a later batch.
struct UndecidedAppend: Error {
    /// The answer to the caller when there is no time for that.
    let error: FeedbackError
}
