import FeedbackCore
import FeedbackModel

/// An append that waits for its bulk write.
///
/// An object, since it passes from one list to another.
final class Append: Sendable {
    let feedback: Feedback
    let missingSession: MissingSessionPolicy
    let context: CallContext
    let arrivedAt: ContinuousClock.Instant

    init(
        feedback: Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext,
        arrivedAt: ContinuousClock.Instant
    ) {
        self.feedback = feedback
        self.missingSession = missingSession
        self.context = context
        self.arrivedAt = arrivedAt
    }
}

/// The answer to an append of which, for the time being, cannot be said whether it is stored.
///
/// It may be sent again in a later batch.
struct UndecidedAppend: Error {
    /// The answer to the caller when there is no time for that.
    let error: FeedbackError
}
