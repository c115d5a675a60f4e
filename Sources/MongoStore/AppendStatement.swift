import FeedbackCore
import FeedbackModel

/// The update that stores feedback of one session; it changes nothing if the session has one of the
/// request_ids already.
///
/// It is an aggregation pipeline whose filter consists of the `_id` only, by which a server finds
/// the document without planning: request_ids in the filter would increase its processor time by
/// half.
struct AppendStatement {
    private(set) var filter = BSONWriter()
    private(set) var pipeline = BSONWriter()

    /// Returns an upper bound of the statement's size in bytes, without the bytes that
    /// ``FeedbackDocument/bytes(of:)`` counts.
    static func bytes(ofSession session: String) -> Int { 1_024 + 4 * session.utf8.count }

    /// Replaces the statement.
    ///
    /// - Parameters:
    ///   - members: the indexes of the adds, at least one.
    ///   - appends: the adds of the batch.
    ///   - session: the session of all members.
    ///   - makesSession: true to create the session if it does not exist.
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

    /// Writes the condition that the session has one of the request_ids.
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

    /// The values that differ between statements.
    private enum Blank: Int {
        case session, time, isKnown, elements
    }

    private static let makingTemplate = BSONTemplate(pipeline(makesSession: true))
    private static let addingTemplate = BSONTemplate(pipeline(makesSession: false))

    private static let session = BSON.blank(.string, Blank.session.rawValue)
    private static let time = BSON.blank(.date, Blank.time.rawValue)

    /// The condition for one request_id, which is the most frequent case: the server makes no sets
    /// for it.
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

    /// The further fields of a document that is created; at that point it has only the `_id` of the
    /// filter.
    private static var skeleton: BSON {
        let bare: BSON = ["$literal": ["_id": session]]
        let whole = FeedbackDocument.newSession(session, at: time)
        return ["$cond": [["$eq": ["$$ROOT", bare]], ["$literal": .document(whole)], nil]]
    }

    // MARK: Expressions

    /// The request_ids of a session's feedback.
    static let storedRequestIDs: BSON = ["$ifNull": ["$feedbacks.request_id", []]]

    /// Returns the session's document with the elements added, or unchanged if they are known.
    static func changed(
        unless isKnown: BSON,
        elements: BSON,
        time: BSON,
        skeleton: [BSON] = []
    ) -> BSON {
        let changes: BSON = [
            // Some programs write null for an empty list.
            "feedbacks": ["$concatArrays": [["$ifNull": ["$feedbacks", []]], elements]],
            // The time never goes back, since lists of a time range find their sessions by it.
            "updated_at": ["$max": ["$updated_at", time]],
        ]
        let parts = skeleton + ["$$ROOT", changes]
        return ["$cond": [isKnown, "$$ROOT", ["$mergeObjects": .array(parts)]]]
    }
}
