import FeedbackCore
import FeedbackModel

/// Conversion of sessions' documents, and of the elements of their array `feedbacks`, in the format
/// of the Python library feedback-system.
///
/// In addition to that library's fields, an element of this service has `feedback_id` and
/// `request_id`, and those of `updated_at`, `message_id`, `agent_id`, `author`, `tags` and
/// `attributes` that are not empty. The request_id of an add without one is its feedback_id.
enum FeedbackDocument {
    /// Returns the fields of a session that a write creates, besides `_id`, `feedbacks` and
    /// `updated_at`.
    static func newSession(_ sessionID: BSON, at time: BSON) -> BSONDocument {
        [
            "session_id": sessionID, "session_type": "AGENT", "agents": [:], "metadata": [:],
            "guardrail_events": [], "application_name": nil, "created_at": time,
        ]
    }

    /// Returns the request_id under which the feedback is stored.
    static func requestID(of feedback: Feedback) -> String {
        feedback.draft.requestID.isEmpty
            ? feedback.id?.description ?? "" : feedback.draft.requestID
    }

    /// Writes the element, a document, as a value.
    static func write(_ feedback: Feedback, to writer: inout BSONWriter) {
        let draft = feedback.draft
        writer.writeMeasured { element in
            switch draft.rating {
            case .up: element.write("up", "rating")
            case .down: element.write("down", "rating")
            case .none: element.begin(.null, "rating")
            }
            element.write(draft.comment, "comment")
            element.write(date: feedback.createdAt.millisecondsSinceEpoch, "created_at")
            element.write(feedback.id?.description ?? "", "feedback_id")
            element.write(requestID(of: feedback), "request_id")
            if feedback.updatedAt != feedback.createdAt {
                element.write(date: feedback.updatedAt.millisecondsSinceEpoch, "updated_at")
            }
            if !draft.messageID.isEmpty { element.write(draft.messageID, "message_id") }
            if !draft.agentID.isEmpty { element.write(draft.agentID, "agent_id") }
            if let author = draft.author { write(author, to: &element) }
            if !draft.tags.isEmpty {
                element.begin(.array, "tags")
                element.writeMeasured { tags in
                    for (index, tag) in draft.tags.enumerated() { tags.write(tag, "\(index)") }
                }
            }
            if !draft.attributes.isEmpty {
                element.begin(.document, "attributes")
                element.writeMeasured { pairs in
                    for (key, value) in draft.attributes { pairs.write(value, key) }
                }
            }
        }
    }

    /// Writes an array of elements as a value.
    static func write(_ feedbacks: some Sequence<Feedback>, to writer: inout BSONWriter) {
        writer.writeMeasured { array in
            for (index, feedback) in feedbacks.enumerated() {
                array.begin(.document, "\(index)")
                write(feedback, to: &array)
            }
        }
    }

    /// Returns an upper bound of the feedback's size in a bulk write, in bytes: the element of
    /// ``write(_:to:)``, and its request_id a second time.
    static func bytes(of feedback: Feedback) -> Int {
        320 + 2 * requestID(of: feedback).utf8.count
            + feedback.draft.textBytes(perTag: 16, perAttribute: 16)
    }

    /// Reads an element, whichever program wrote it.
    ///
    /// A missing value, or one of another type, counts as empty, an unknown rating as none, and a
    /// `created_at` that is not a date as 1970; a moment outside of ``Timestamp/range`` becomes the
    /// nearest one within it. Further keys with a text value become attributes. The argument
    /// `createdAt` is the result of ``Pipeline/created(_:)`` for the element, which understands
    /// more formats.
    static func feedback(
        _ element: BSONDocument,
        sessionID: String,
        createdAt known: BSON? = nil
    ) -> Feedback {
        var draft = FeedbackDraft(sessionID: sessionID)
        var id: String?
        var createdAt = Timestamp(millisecondsSinceEpoch: 0)
        var updatedAt: Timestamp?
        var further: Attributes = [:]
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

    private static func write(_ author: Author, to element: inout BSONWriter) {
        element.begin(.document, "author")
        element.writeMeasured { document in
            if let source = sourceNames.first(where: { $0.0 == author.source })?.1 {
                document.write(source, "source")
            } else {
                document.begin(.null, "source")
            }
            if !author.id.isEmpty { document.write(author.id, "id") }
        }
    }

    private static func author(_ document: BSONDocument) -> Author {
        let source = sourceNames.first { $0.1 == document["source"]?.string }?.0
        return Author(source: source ?? .unspecified, id: document["id"]?.string ?? "")
    }
}
