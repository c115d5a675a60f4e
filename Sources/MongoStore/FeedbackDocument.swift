import FeedbackCore
import FeedbackModel

/// A session's document and the elements of its `feedbacks`, as the guide's Python package has them.
///
/// Beyond its fields, an element of ours has `feedback_id` and `request_id`, and those of
/// `updated_at`, `message_id`, `agent_id`, `author`, `tags` and `attributes` that are not empty. An
/// add without a request_id is stored with its feedback_id as such.
enum FeedbackDocument {
    /// What a session that a write makes has besides `_id`, `feedbacks` and `updated_at`.
    static func newSession(_ sessionID: String, at time: Timestamp) -> BSONDocument {
        [
            "session_id": .string(sessionID), "session_type": "AGENT", "agents": [:],
            "metadata": [:], "guardrail_events": [], "application_name": nil,
            "created_at": .date(time.millisecondsSinceEpoch),
        ]
    }

    /// The key under which the feedback is stored.
    static func requestID(of feedback: Feedback) -> String {
        feedback.draft.requestID.isEmpty
            ? feedback.id?.description ?? "" : feedback.draft.requestID
    }

    static func element(_ feedback: Feedback) -> BSONDocument {
        let draft = feedback.draft
        var element: BSONDocument = [
            "rating": rating(draft.rating),
            "comment": .string(draft.comment),
            "created_at": .date(feedback.createdAt.millisecondsSinceEpoch),
            "feedback_id": .string(feedback.id?.description ?? ""),
            "request_id": .string(requestID(of: feedback)),
        ]
        if feedback.updatedAt != feedback.createdAt {
            element["updated_at"] = .date(feedback.updatedAt.millisecondsSinceEpoch)
        }
        if !draft.messageID.isEmpty { element["message_id"] = .string(draft.messageID) }
        if !draft.agentID.isEmpty { element["agent_id"] = .string(draft.agentID) }
        if let author = draft.author { element["author"] = .document(document(author)) }
        if !draft.tags.isEmpty { element["tags"] = .array(draft.tags.map(BSON.string)) }
        if !draft.attributes.isEmpty {
            let pairs = draft.attributes.map { (key: $0, value: BSON.string($1)) }
            element["attributes"] = .document(BSONDocument(pairs))
        }
        return element
    }

    /// At most how many bytes a bulk write has of the feedback: those of ``element(_:)``, and of its
    /// key a second time.
    static func bytes(of feedback: Feedback) -> Int {
        320 + 2 * requestID(of: feedback).utf8.count
            + feedback.draft.textBytes(perTag: 16, perAttribute: 16)
    }

    /// Reads an element, whoever wrote it.
    ///
    /// What is missing or of another kind counts as empty, an unknown rating as none, and a moment
    /// that is no date as 1970; one outside of ``Timestamp/range`` becomes the nearest. Further keys
    /// with a text are attributes. `createdAt` is what ``Pipeline/created(_:)`` made of the element,
    /// which understands more.
    static func feedback(
        _ element: BSONDocument,
        sessionID: String,
        createdAt known: BSON? = nil
    ) -> Feedback {
        var draft = FeedbackDraft(sessionID: sessionID)
        var id: String?
        var createdAt = Timestamp(millisecondsSinceEpoch: 0)
        var updatedAt: Timestamp?
        var further: [String: String] = [:]
        for (key, value) in element.fields {
            switch key {
            case "rating": draft.rating = rating(value)
            case "comment": draft.comment = value.string ?? ""
            case "created_at": createdAt = timestamp(value) ?? createdAt
            case "updated_at": updatedAt = timestamp(value)
            case "feedback_id": id = value.string
            case "request_id": draft.requestID = value.string ?? ""
            case "message_id": draft.messageID = value.string ?? ""
            case "agent_id": draft.agentID = value.string ?? ""
            case "author": draft.author = value.document.map(author)
            case "tags": draft.tags = value.array?.compactMap(\.string) ?? []
            case "attributes":
                let pairs = value.document?.fields ?? []
                for (key, value) in pairs { draft.attributes[key] = value.string }
            default: further[key] = value.string
            }
        }
        draft.attributes.merge(further) { own, _ in own }
        if draft.requestID == id { draft.requestID = "" }
        return Feedback(
            id: id.flatMap(FeedbackID.init),
            draft: draft,
            createdAt: known.flatMap(timestamp) ?? createdAt,
            updatedAt: updatedAt
        )
    }

    private static func timestamp(_ value: BSON) -> Timestamp? {
        value.date.map(Timestamp.init(clampingMilliseconds:))
    }

    private static func rating(_ rating: Rating) -> BSON {
        switch rating {
        case .up: "up"
        case .down: "down"
        case .none: .null
        }
    }

    private static func rating(_ value: BSON) -> Rating {
        switch value.string {
        case "up": .up
        case "down": .down
        default: .none
        }
    }

    private static let sourceNames: [(AuthorSource, String)] = [
        (.human, "human"), (.model, "model"), (.code, "code"),
    ]

    private static func document(_ author: Author) -> BSONDocument {
        let source = sourceNames.first { $0.0 == author.source }?.1
        var document: BSONDocument = ["source": source.map(BSON.string) ?? .null]
        if !author.id.isEmpty { document["id"] = .string(author.id) }
        return document
    }

    private static func author(_ document: BSONDocument) -> Author {
        let source = sourceNames.first { $0.1 == document["source"]?.string }?.0
        return Author(source: source ?? .unspecified, id: document["id"]?.string ?? "")
    }
}
