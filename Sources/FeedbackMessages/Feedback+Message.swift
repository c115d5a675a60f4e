internal import CFeedbackProto
internal import FeedbackModel
internal import ProtoCodec

// Conversions between feedback and its generated messages, in both directions.

private let feedbackType = ProtoType(feedback__v1__feedback__init)
private let authorType = ProtoType(feedback__v1__author__init)
private let feedbackAttributeType = ProtoType(feedback__v1__feedback__attributes_entry__init)
private let requestAttributeType = ProtoType(
    feedback__v1__add_feedback_request__attributes_entry__init
)

extension Rating {
    /// Makes a rating; unknown values do not occur, since they are refused before decoding.
    init(_ rating: Feedback__V1__Rating) {
        self = Rating(rawValue: Int32(rating.rawValue)) ?? .none
    }

    var message: Feedback__V1__Rating { Feedback__V1__Rating(UInt32(rawValue)) }
}

extension Author {
    init(_ author: Feedback__V1__Author) {
        self.init(
            source: AuthorSource(rawValue: Int32(author.source.rawValue)) ?? .unspecified,
            id: String(proto: author.id)
        )
    }
}

extension FeedbackDraft {
    init(_ message: Feedback__V1__AddFeedbackRequest) {
        self.init(
            sessionID: String(proto: message.session_id),
            rating: Rating(message.rating),
            comment: String(proto: message.comment),
            requestID: String(proto: message.request_id),
            messageID: String(proto: message.message_id),
            agentID: String(proto: message.agent_id),
            author: message.author.map { Author($0.pointee) },
            tags: [String](proto: message.tags, count: message.n_tags)
        )
        for index in 0..<message.n_attributes {
            guard let pair = message.attributes[index]?.pointee else { continue }
            attributes[String(proto: pair.key)] = String(proto: pair.value)
        }
    }
}

extension Feedback {
    /// Reads a feedback from a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    init(_ message: Feedback__V1__Feedback) throws {
        var draft = FeedbackDraft(
            sessionID: String(proto: message.session_id),
            rating: Rating(message.rating),
            comment: String(proto: message.comment),
            messageID: String(proto: message.message_id),
            agentID: String(proto: message.agent_id),
            author: message.author.map { Author($0.pointee) },
            tags: [String](proto: message.tags, count: message.n_tags)
        )
        for index in 0..<message.n_attributes {
            guard let pair = message.attributes[index]?.pointee else { continue }
            draft.attributes[String(proto: pair.key)] = String(proto: pair.value)
        }
        guard let createdAt = message.created_at?.pointee else { throw MissingField() }
        self.init(
            id: FeedbackID(String(proto: message.feedback_id)),
            draft: draft,
            createdAt: try Timestamp(createdAt, field: "created_at"),
            updatedAt: try message.updated_at.map {
                try Timestamp($0.pointee, field: "updated_at")
            }
        )
    }
}

extension Feedback__V1__AddFeedbackRequest {
    mutating func set(_ draft: FeedbackDraft, _ arena: ProtoArena) throws(ProtoError) {
        session_id = try arena.string(draft.sessionID, field: "session_id")
        rating = draft.rating.message
        comment = try arena.string(draft.comment, field: "comment")
        request_id = try arena.string(draft.requestID, field: "request_id")
        message_id = try arena.string(draft.messageID, field: "message_id")
        agent_id = try arena.string(draft.agentID, field: "agent_id")
        if let author = draft.author { self.author = try arena.message(of: author) }
        tags = try arena.strings(draft.tags, field: "tags")
        n_tags = draft.tags.count
        attributes = try arena.entries(draft.attributes) { key, value throws(ProtoError) in
            let entry = try arena.make(requestAttributeType)
            entry.pointee.key = try arena.string(key, field: "attributes.key")
            entry.pointee.value = try arena.string(value, field: "attributes.value")
            return entry
        }
        n_attributes = draft.attributes.count
    }
}

extension ProtoArena {
    func message(
        of feedback: Feedback
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Feedback> {
        let message = try make(feedbackType)
        let draft = feedback.draft
        if let id = feedback.id { message.pointee.feedback_id = try string(id) }
        message.pointee.session_id = try string(draft.sessionID)
        message.pointee.rating = draft.rating.message
        message.pointee.comment = try string(draft.comment)
        message.pointee.created_at = try self.message(of: feedback.createdAt)
        message.pointee.updated_at = try self.message(of: feedback.updatedAt)
        message.pointee.message_id = try string(draft.messageID)
        message.pointee.agent_id = try string(draft.agentID)
        if let author = draft.author { message.pointee.author = try self.message(of: author) }
        message.pointee.tags = try strings(draft.tags, field: "tags")
        message.pointee.n_tags = draft.tags.count
        message.pointee.attributes = try entries(draft.attributes) {
            key,
            value throws(ProtoError) in
            let entry = try make(feedbackAttributeType)
            entry.pointee.key = try string(key)
            entry.pointee.value = try string(value)
            return entry
        }
        message.pointee.n_attributes = draft.attributes.count
        return message
    }

    func message(
        of author: Author
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Author> {
        let message = try make(authorType)
        message.pointee.source = Feedback__V1__AuthorSource(UInt32(author.source.rawValue))
        message.pointee.id = try string(author.id, field: "author.id")
        return message
    }

    /// Returns the identifier's text without making a Swift string of it.
    private func string(_ id: FeedbackID) throws(ProtoError) -> UnsafeMutablePointer<CChar> {
        let text = try allocate(of: CChar.self, count: FeedbackID.textBytes + 1)
        text.withMemoryRebound(to: UInt8.self, capacity: FeedbackID.textBytes) {
            id.writeText(
                to: UnsafeMutableBufferPointer(start: $0, count: FeedbackID.textBytes)
            )
        }
        text[FeedbackID.textBytes] = 0
        return text
    }
}
