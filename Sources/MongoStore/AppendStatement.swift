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
            case .isKnown: Self.writeIsKnown(members, of: appends, to: &writer)
            case .elements:
                FeedbackDocument.write(members.lazy.map { appends[$0].feedback }, to: &writer)
            case nil: preconditionFailure("the template has no further blanks")
            }
        }
    }

    /// Writes the condition that one of the request_ids is there already.
    private static func writeIsKnown(
        _ members: [Int],
        of appends: [Append],
        to writer: inout BSONWriter
    ) {
        let requestIDs = members.lazy.map { FeedbackDocument.requestID(of: appends[$0].feedback) }
        if members.count == 1 {
            return oneIsKnownTemplate.write(to: &writer) { $1.writeValue(requestIDs[0]) }
        }
        someAreKnownTemplate.write(to: &writer) { _, writer in
            writer.writeMeasured { array in
                for (index, requestID) in requestIDs.enumerated() {
                    array.write(requestID, "\(index)")
                }
            }
        }
    }

    /// What differs from one statement to the next.
    private enum Blank: Int {
        case session, time, isKnown, elements
    }

    private static let makingTemplate = BSONTemplate(pipeline(makesSession: true))
    private static let addingTemplate = BSONTemplate(pipeline(makesSession: false))

    private static let session = BSON.blank(.string, Blank.session.rawValue)
    private static let time = BSON.blank(.date, Blank.time.rawValue)

    /// Mostly there is one, for which a server makes no sets.
    private static let oneIsKnownTemplate = BSONTemplate([
        "$in": [["$literal": .blank(.string, 0)], storedRequestIDs]
    ])

    private static let someAreKnownTemplate = BSONTemplate([
        "$ne": [
            ["$setIntersection": [["$literal": .blank(.array, 0)], storedRequestIDs]], [],
        ]
    ])

    private static func pipeline(makesSession: Bool) -> BSONDocument {
        let elements = BSON.blank(.array, Blank.elements.rawValue)
        let changed = changed(
            unless: .blank(.document, Blank.isKnown.rawValue),
            elements: ["$literal": elements],
            time: time,
            skeleton: makesSession ? [skeleton] : []
        )
        return ["0": ["$replaceWith": changed]]
    }

    /// What a document has that is being made, of which there is nothing but the filter's `_id`.
    private static var skeleton: BSON {
        let bare: BSON = ["$literal": ["_id": session]]
        let whole = FeedbackDocument.newSession(session, at: time)
        return ["$cond": [["$eq": ["$$ROOT", bare]], ["$literal": .document(whole)], nil]]
    }

    // MARK: Expressions

    /// The request_ids of a session's feedback.
    static let storedRequestIDs: BSON = ["$ifNull": ["$feedbacks.request_id", []]]

    /// The session's document with the elements, unless they are known.
    static func changed(
        unless isKnown: BSON,
        elements: BSON,
        time: BSON,
        skeleton: [BSON] = []
    ) -> BSON {
        let changes: BSON = [
            // Null, too, is how some programs write that there are none.
            "feedbacks": ["$concatArrays": [["$ifNull": ["$feedbacks", []]], elements]],
            // Never back: by it, lists of a span of time find their sessions.
            "updated_at": ["$max": ["$updated_at", time]],
        ]
        let parts = skeleton + ["$$ROOT", changes]
        return ["$cond": [isKnown, "$$ROOT", ["$mergeObjects": .array(parts)]]]
    }
}
