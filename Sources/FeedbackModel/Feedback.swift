/// What a caller says about an answer, before it is stored.
public struct FeedbackDraft: Sendable, Hashable {
    /// 1 to ``FieldLimits/idBytesMax`` bytes.
    public var sessionID: String
    /// The verdict.
    public var rating: Rating
    /// At most ``FieldLimits/commentCodePointsMax`` code points.
    public var comment: String
    /// The caller's idempotency key within the session; empty for none.
    public var requestID: String
    /// The answer that is spoken of; empty for none.
    public var messageID: String
    /// The agent that gave the answer; empty for none.
    public var agentID: String
    /// Who gave the feedback.
    public var author: Author?
    /// At most ``FieldLimits/tagsMax`` tags.
    public var tags: [String]
    /// At most ``FieldLimits/attributesMax`` pairs.
    public var attributes: [String: String]

    /// Makes a draft; nothing is checked before it is added.
    public init(
        sessionID: String,
        rating: Rating = .none,
        comment: String = "",
        requestID: String = "",
        messageID: String = "",
        agentID: String = "",
        author: Author? = nil,
        tags: [String] = [],
        attributes: [String: String] = [:]
    ) {
        self.sessionID = sessionID
        self.rating = rating
        self.comment = comment
        self.requestID = requestID
        self.messageID = messageID
        self.agentID = agentID
        self.author = author
        self.tags = tags
        self.attributes = attributes
    }
}

extension FeedbackDraft {
    /// How many bytes its texts have, without the ids of session and request, and with so many more
    /// for each tag and attribute.
    package func textBytes(perTag: Int, perAttribute: Int) -> Int {
        var bytes = comment.utf8.count + messageID.utf8.count + agentID.utf8.count
        bytes += author?.id.utf8.count ?? 0
        for tag in tags { bytes += perTag + tag.utf8.count }
        for (key, value) in attributes {
            bytes += perAttribute + key.utf8.count + value.utf8.count
        }
        return bytes
    }
}

/// A stored feedback.
public struct Feedback: Sendable, Hashable {
    /// Its name; nil on feedback that another program wrote into the same database.
    public var id: FeedbackID?
    /// What was said.
    ///
    /// Its `requestID` is the key under which it is stored.
    public var draft: FeedbackDraft
    /// The server's clock when it was accepted.
    public var createdAt: Timestamp
    /// Equal to ``createdAt`` until it is changed.
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

    /// The session that it belongs to.
    public var sessionID: String { draft.sessionID }
    /// The verdict.
    public var rating: Rating { draft.rating }
    /// The comment, empty for none.
    public var comment: String { draft.comment }
}

/// The outcome of an add.
public struct AddedFeedback: Sendable, Hashable {
    /// The feedback as stored.
    public var feedback: Feedback
    /// True when the request_id was stored before: `feedback` is then the original.
    public var replayed: Bool

    /// Makes an outcome.
    public init(feedback: consuming Feedback, replayed: Bool) {
        self.feedback = feedback
        self.replayed = replayed
    }
}
