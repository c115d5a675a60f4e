import FeedbackCore
import FeedbackModel

/// The update that stores feedback of one session: all of it, unless one of the request_ids is there
/// already, for then it changes nothing.
///
/// It is an aggregation pipeline, and its filter is nothing but the `_id`, by which a server goes to
/// the document without making a plan: request_ids in the filter would cost it half as much
/// processor time again.
struct AppendStatement {
    let session: String
    let feedbacks: [Feedback]
    /// Whether the session is made if it is missing.
    let makesSession: Bool

    var filter: BSONDocument { ["_id": .string(session)] }

    /// At most how many bytes it has without what ``FeedbackDocument/bytes(of:)`` counts.
    static func bytes(ofSession session: String) -> Int { 1_024 + 4 * session.utf8.count }

    var pipeline: [BSON] {
        let time = feedbacks.map(\.createdAt).max() ?? .now
        let requestIDs = feedbacks.map { BSON.string(FeedbackDocument.requestID(of: $0)) }
        let elements = feedbacks.map { BSON.document(FeedbackDocument.element($0)) }
        let known: BSON = [
            "$setIntersection": [
                ["$literal": .array(requestIDs)], ["$ifNull": ["$feedbacks.request_id", []]],
            ]
        ]
        let changes: BSON = [
            // Null, too, is how some programs write that there are none.
            "feedbacks": [
                "$concatArrays": [
                    ["$ifNull": ["$feedbacks", []]], ["$literal": .array(elements)],
                ]
            ],
            // Never back: by it, lists of a span of time find their sessions.
            "updated_at": ["$max": ["$updated_at", .date(time.millisecondsSinceEpoch)]],
        ]
        let parts: [BSON] =
            (makesSession ? [skeleton(at: time)] : []) + ["$$ROOT", changes]
        let changed: BSON = ["$mergeObjects": .array(parts)]
        return [["$replaceWith": ["$cond": [["$eq": [known, []]], changed, "$$ROOT"]]]]
    }

    /// What a document has that is being made, of which there is nothing but the filter's `_id`.
    private func skeleton(at time: Timestamp) -> BSON {
        let bare: BSON = ["$literal": .document(filter)]
        let session: BSON = ["$literal": .document(FeedbackDocument.newSession(session, at: time))]
        return ["$cond": [["$eq": ["$$ROOT", bare]], session, nil]]
    }
}
