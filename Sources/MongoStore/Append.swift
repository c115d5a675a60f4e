import FeedbackCore
import FeedbackModel

/// An add that waits for its bulk write; an object, since it moves from one list to another.
final class Append: Sendable {
    let feedback: Feedback
    let missingSession: MissingSessionPolicy
    let arrivedAt: ContinuousClock.Instant

    init(
        feedback: Feedback,
        missingSession: MissingSessionPolicy,
        arrivedAt: ContinuousClock.Instant = .now
    ) {
        self.feedback = feedback
        self.missingSession = missingSession
        self.arrivedAt = arrivedAt
    }
}
