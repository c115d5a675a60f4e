import FeedbackCore
import FeedbackModel
import Testing

@testable import MongoStore

/// The bytes of the update that stores feedback, compared with those of the same update as a tree
/// of values.
struct StatementTests {
    private static let id = FeedbackID(high: 0x018D_3F60_5A00_7000, low: 1 << 63 | 5)
    private static let time = Timestamp(millisecondsSinceEpoch: 1_705_935_600_000)

    private static func feedback(
        _ draft: FeedbackDraft,
        id: FeedbackID? = id,
        after milliseconds: Int64 = 0,
        updatedAt: Timestamp? = nil
    ) -> Feedback {
        let createdAt = time.advanced(byMilliseconds: milliseconds)
        return Feedback(id: id, draft: draft, createdAt: createdAt, updatedAt: updatedAt)
    }

    private static let full = FeedbackDraft(
        sessionID: "s",
        rating: .down,
        comment: "Zu lang \u{1F469}\u{200D}\u{1F4BB}",
        requestID: "018d3f60-5a00-7000-8000-000000000001",
        messageID: "message",
        agentID: "agent",
        author: Author(source: .human, id: "$author"),
        tags: ["$a", "", "c"],
        attributes: ["k": "$v", "": "empty", "an attribute's long name": "v"]
    )

    /// The feedback of one statement each.
    private static let statements: [[Feedback]] = [
        [feedback(FeedbackDraft(sessionID: "s"))],
        [feedback(FeedbackDraft(sessionID: "s"), id: nil)],
        [feedback(full)],
        [
            feedback(FeedbackDraft(sessionID: "s", author: Author(source: .unspecified, id: "a"))),
            feedback(FeedbackDraft(sessionID: "s", author: Author(source: .model, id: ""))),
            feedback(FeedbackDraft(sessionID: "s", author: Author(source: .code, id: "c"))),
        ],
        [
            feedback(FeedbackDraft(sessionID: "s", rating: .up, requestID: "2"), after: 7),
            feedback(full, updatedAt: time.advanced(byMilliseconds: -1)),
        ],
        (0..<12).map { number in
            let comment = String(repeating: "x", count: 1_000 * number)
            return feedback(FeedbackDraft(sessionID: "s", comment: comment), after: Int64(number))
        },
    ]

    @Test func its_bytes_are_those_of_its_values() {
        for feedbacks in Self.statements {
            for session in ["s", String(repeating: "\u{E9}", count: 127)] {
                expectBytes(of: feedbacks, session)
            }
        }
    }

    @Test func the_bytes_for_several_sessions_are_those_of_their_values() {
        var statement = MultiAppendStatement()
        for feedbacks in Self.statements {
            let feedbacks = feedbacks.enumerated().map { number, feedback in
                var feedback = feedback
                feedback.draft.sessionID = String(repeating: "\u{E9}", count: 7 * number + 1)
                return feedback
            }
            statement.write(feedbacks)
            let sessions = BSON.array(feedbacks.map { .string($0.sessionID) })
            let filter: BSONDocument = ["_id": ["$in": sessions]]
            #expect(statement.filter.bytes == BSONWriter(filter).bytes)
            #expect(statement.pipeline.bytes == BSONWriter(pipeline(feedbacks, sessions)).bytes)
        }
    }

    private func pipeline(_ feedbacks: [Feedback], _ sessions: BSON) -> BSONDocument {
        let place: BSON = ["$indexOfArray": [["$literal": sessions], "$_id"]]
        let elements = BSON.array(feedbacks.map(element))
        let stored: BSON = ["$ifNull": ["$feedbacks.request_id", []]]
        let before: BSON = ["$ifNull": ["$feedbacks", []]]
        let changes: BSON = [
            "feedbacks": ["$concatArrays": [before, ["$$new"]]],
            "updated_at": ["$max": ["$updated_at", "$$new.created_at"]],
        ]
        let changed: BSON = ["$mergeObjects": ["$$ROOT", changes]]
        let isKnown: BSON = [
            "$or": [["$lt": ["$$place", 0]], ["$in": ["$$new.request_id", stored]]]
        ]
        let new: BSON = ["$arrayElemAt": [["$literal": elements], "$$place"]]
        let session: BSON = [
            "$let": ["vars": ["new": new], "in": ["$cond": [isKnown, "$$ROOT", changed]]]
        ]
        let placed: BSON = ["$let": ["vars": ["place": place], "in": session]]
        return ["0": ["$replaceWith": placed]]
    }

    private func expectBytes(of feedbacks: [Feedback], _ session: String) {
        // Other adds surround the statement's, and another statement is written before it: neither
        // may leave traces.
        let others = [Self.feedback(Self.full), Self.feedback(FeedbackDraft(sessionID: "o"))]
        let appends = (others + feedbacks + others).map {
            Append(
                feedback: $0,
                missingSession: .create
            )
        }
        let members = Array(others.count..<others.count + feedbacks.count)
        var statement = AppendStatement()
        for makesSession in [true, false] {
            statement.write([0, 1], of: appends, session: "other", makesSession: makesSession)
            statement.write(members, of: appends, session: session, makesSession: makesSession)
            let expected = pipeline(feedbacks, session, makesSession: makesSession)
            #expect(statement.pipeline.bytes == BSONWriter(expected).bytes)
            #expect(statement.filter.bytes == BSONWriter(["_id": .string(session)]).bytes)
        }
    }

    private func pipeline(
        _ feedbacks: [Feedback],
        _ session: String,
        makesSession: Bool
    ) -> BSONDocument {
        let time = BSON.date(feedbacks.map(\.createdAt.millisecondsSinceEpoch).max() ?? 0)
        let requestIDs = feedbacks.map { BSON.string(requestID($0)) }
        let elements = BSON.array(feedbacks.map(element))
        let stored: BSON = ["$ifNull": ["$feedbacks.request_id", []]]
        let isKnown: BSON =
            requestIDs.count == 1
            ? ["$in": [["$literal": requestIDs[0]], stored]]
            : ["$ne": [["$setIntersection": [["$literal": .array(requestIDs)], stored]], []]]
        let whole: BSON = [
            "session_id": .string(session), "session_type": "AGENT", "agents": [:],
            "metadata": [:], "guardrail_events": [], "application_name": nil, "created_at": time,
        ]
        let bare: BSON = ["$literal": ["_id": .string(session)]]
        let skeleton: BSON = ["$cond": [["$eq": ["$$ROOT", bare]], ["$literal": whole], nil]]
        let before: BSON = ["$ifNull": ["$feedbacks", []]]
        let changes: BSON = [
            "feedbacks": ["$concatArrays": [before, ["$literal": elements]]],
            "updated_at": ["$max": ["$updated_at", time]],
        ]
        let changed: BSON =
            makesSession
            ? ["$mergeObjects": [skeleton, "$$ROOT", changes]]
            : ["$mergeObjects": ["$$ROOT", changes]]
        return ["0": ["$replaceWith": ["$cond": [isKnown, "$$ROOT", changed]]]]
    }

    private func requestID(_ feedback: Feedback) -> String {
        let own = feedback.draft.requestID
        return own.isEmpty ? feedback.id.map { "\($0)" } ?? "" : own
    }

    private func element(_ feedback: Feedback) -> BSON {
        let draft = feedback.draft
        let ratings: [Rating: BSON] = [.up: "up", .down: "down", .none: .null]
        var element: BSONDocument = [
            "rating": ratings[draft.rating] ?? .null, "comment": .string(draft.comment),
            "created_at": .date(feedback.createdAt.millisecondsSinceEpoch),
            "feedback_id": .string(feedback.id.map { "\($0)" } ?? ""),
            "request_id": .string(requestID(feedback)),
        ]
        if feedback.updatedAt != feedback.createdAt {
            element["updated_at"] = .date(feedback.updatedAt.millisecondsSinceEpoch)
        }
        if !draft.messageID.isEmpty { element["message_id"] = .string(draft.messageID) }
        if !draft.agentID.isEmpty { element["agent_id"] = .string(draft.agentID) }
        if let author = draft.author {
            let sources: [AuthorSource: BSON] = [.human: "human", .model: "model", .code: "code"]
            var document: BSONDocument = ["source": sources[author.source] ?? .null]
            if !author.id.isEmpty { document["id"] = .string(author.id) }
            element["author"] = .document(document)
        }
        if !draft.tags.isEmpty { element["tags"] = .array(draft.tags.map(BSON.string)) }
        if !draft.attributes.isEmpty {
            let pairs = draft.attributes.map { (key: $0, value: BSON.string($1)) }
            element["attributes"] = .document(BSONDocument(pairs))
        }
        return .document(element)
    }
}
