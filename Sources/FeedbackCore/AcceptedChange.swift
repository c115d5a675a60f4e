public import FeedbackModel

/// A change that has passed the hooks and goes to the store.
public struct AcceptedChange: Sendable {
    /// The change to write; it meets the field rules.
    public var change: Change
    /// The identifier of the feedback if the change is an add; unused otherwise.
    public var feedbackID: FeedbackID
    /// The time at which the service accepted the change.
    public var acceptedAt: Timestamp
    /// The policy for a session that does not exist.
    public var missingSession: MissingSessionPolicy

    /// Makes an accepted change.
    public init(
        _ change: consuming Change,
        feedbackID: FeedbackID,
        acceptedAt: Timestamp,
        missingSession: MissingSessionPolicy = .create
    ) {
        self.change = change
        self.feedbackID = feedbackID
        self.acceptedAt = acceptedAt
        self.missingSession = missingSession
    }
}
