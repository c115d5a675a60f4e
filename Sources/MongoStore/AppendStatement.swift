import FeedbackCore
import FeedbackModel

/// The update that stores feedback of one session: all of it, unless one of the request_ids is there
/// already, for then it changes nothing.
///
/// It is an aggregation pipeline, and its filter is nothing but the `_id`, by which a server goes to
/// the document without making a plan: request_ids in the filter would cost it half as much
/// processor time again.
struct AppendStatement {
    private(set) var filter = BSONWriter()
    private(set) var pipeline = BSONWriter()

    /// At most how many bytes it has without what ``FeedbackDocument/bytes(of:)`` counts.
    static func bytes(ofSession session: String) -> Int { 1_024 + 4 * session.utf8.count }

    /// Writes the statement in the place of the one before.
    ///
    /// - Parameters:
    ///   - members: the indexes of its appends, at least one.
    ///   - appends: those of the batch.
    ///   - session: the one to which they all go.
    ///   - makesSession: whether the session is made if it is missing.
    mutating func write(
        _ members: [Int],
        of appends: [Append],
        session: String,
        makesSession: Bool
    ) {
        filter.removeAll()
        filter.writeMeasured { $0.write(session, "_id") }
        pipeline.removeAll()
        let template = makesSession ? Self.makingTemplate : Self.addingTemplate
        template.write(to: &pipeline) { blank, writer in
            switch Blank(rawValue: blank) {
            case .session: writer.writeValue(session)
            case .time:
                let time = members.lazy.map { appends[$0].feedback.createdAt }.max() ?? .now
                writer.writeValue(date: time.millisecondsSinceEpoch)
            case .requestIDs:
                writer.writeMeasured { array in
                    for (index, member) in members.enumerated() {
                        let requestID = FeedbackDocument.requestID(of: appends[member].feedback)
                        array.write(requestID, "\(index)")
                    }
                }
            case .elements:
                writer.writeMeasured { array in
                    for (index, member) in members.enumerated() {
                        array.begin(.document, "\(index)")
                        FeedbackDocument.write(appends[member].feedback, to: &array)
                    }
                }
            case nil: preconditionFailure("the template has no further blanks")
            }
        }
    }

    /// What differs from one statement to the next.
    private enum Blank: Int {
        case session, time, requestIDs, elements
    }

    private static let makingTemplate = BSONTemplate(pipeline(makesSession: true))
    private static let addingTemplate = BSONTemplate(pipeline(makesSession: false))

    private static let session = BSON.blank(.string, Blank.session.rawValue)
    private static let time = BSON.blank(.date, Blank.time.rawValue)

    private static func pipeline(makesSession: Bool) -> BSONDocument {
        let requestIDs = BSON.blank(.array, Blank.requestIDs.rawValue)
        let elements = BSON.blank(.array, Blank.elements.rawValue)
        let known: BSON = [
            "$setIntersection": [
                ["$literal": requestIDs], ["$ifNull": ["$feedbacks.request_id", []]],
            ]
        ]
        let changes: BSON = [
            // Null, too, is how some programs write that there are none.
            "feedbacks": [
                "$concatArrays": [["$ifNull": ["$feedbacks", []]], ["$literal": elements]]
            ],
            // Never back: by it, lists of a span of time find their sessions.
            "updated_at": ["$max": ["$updated_at", time]],
        ]
        let parts: [BSON] = (makesSession ? [skeleton] : []) + ["$$ROOT", changes]
        let changed: BSON = ["$mergeObjects": .array(parts)]
        return ["0": ["$replaceWith": ["$cond": [["$eq": [known, []]], changed, "$$ROOT"]]]]
    }

    /// What a document has that is being made, of which there is nothing but the filter's `_id`.
    private static var skeleton: BSON {
        let bare: BSON = ["$literal": ["_id": session]]
        let whole = FeedbackDocument.newSession(session, at: time)
        return ["$cond": [["$eq": ["$$ROOT", bare]], ["$literal": .document(whole)], nil]]
    }
}
