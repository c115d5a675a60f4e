/// A stored feedback.
public struct Feedback: Sendable, Hashable {
    /// The feedback's identifier; nil on feedback that another program wrote into the same
    /// database.
    public var id: FeedbackID?
    /// The content of the feedback.
    ///
    /// Its `requestID` is the idempotency key under which the feedback is stored.
    public var draft: FeedbackDraft
    /// The time of the server's clock at which the feedback was accepted.
    public var createdAt: Timestamp
    /// The time of the last change; equal to ``createdAt`` until the feedback is changed.
    public var updatedAt: Timestamp

    /// Makes a feedback as stored.
    public init(
        id: FeedbackID?,
        draft: consuming FeedbackDraft,
        createdAt: Timestamp,
        updatedAt: Timestamp? = nil
    ) {
        self.id = id
        self.draft = draft
        self.createdAt = createdAt
        self.updatedAt = updatedAt ?? createdAt
    }

    /// The session to which the feedback belongs.
    public var sessionID: String { draft.sessionID }
    /// The rating of the answer.
    public var rating: Rating { draft.rating }
    /// The comment; empty if there is none.
    public var comment: String { draft.comment }
}

/// The outcome of an add.
public struct AddedFeedback: Sendable, Hashable {
    /// The feedback as it is stored.
    public var feedback: Feedback
    /// True if a feedback with this request_id was stored before: ``feedback`` is then that
    /// original.
    public var replayed: Bool

    /// Makes an outcome.
    public init(feedback: consuming Feedback, replayed: Bool) {
        self.feedback = feedback
        self.replayed = replayed
    }
}
