import FeedbackModel
import Foundation
import GRDB

/// The table `feedback`.
enum FeedbackTable {
    /// The columns that ``feedback(_:sessionID:)`` reads, in order.
    static let columns =
        "sequence, session, feedback_id, request_id, rating, comment, created_at, updated_at, "
        + "message_id, agent_id, author_source, author_id, tags, attributes"

    /// The expression for the session_id of a row.
    static let sessionID = "(SELECT session_id FROM session WHERE id = feedback.session)"

    /// Prepares the statement of ``insert(_:sequence:session:by:_:)``.
    static func insertion(_ db: Database) throws -> PreparedStatement {
        try PreparedStatement(
            """
            INSERT INTO feedback (sequence, session, feedback_id, request_id, rating, comment,
                created_at, updated_at, message_id, agent_id, author_source, author_id, tags,
                attributes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            db
        )
    }

    /// Inserts a feedback; returns false if the session has the request_id already.
    static func insert(
        _ feedback: Feedback,
        sequence: Int64,
        session: Int64,
        by row: inout PreparedStatement,
        _ db: Database
    ) throws -> Bool {
        try row.bind(sequence)
        try row.bind(session)
        try bind(feedback, to: &row)
        try row.run()
        return db.changesCount > 0
    }

    /// Binds the columns from `feedback_id` on.
    static func bind(_ feedback: Feedback, to row: inout PreparedStatement) throws {
        let draft = feedback.draft
        try row.bind(feedback.id)
        try row.bind(draft.requestID.nilIfEmpty)
        try row.bind(Int64(draft.rating.rawValue))
        try row.bind(draft.comment.nilIfEmpty)
        try row.bind(feedback.createdAt.millisecondsSinceEpoch)
        try row.bind(
            feedback.updatedAt == feedback.createdAt
                ? nil : feedback.updatedAt.millisecondsSinceEpoch
        )
        try row.bind(draft.messageID.nilIfEmpty)
        try row.bind(draft.agentID.nilIfEmpty)
        try row.bind(draft.author.map { Int64($0.source.rawValue) })
        try row.bind(draft.author?.id.nilIfEmpty)
        try row.bind(draft.tags.isEmpty ? nil : json(draft.tags))
        try row.bind(draft.attributes.isEmpty ? nil : json(draft.attributes))
    }

    /// Returns the session's feedback with the request_id; nil if there is none.
    static func find(
        requestID: String,
        session: Int64,
        sessionID: String,
        _ db: Database
    ) throws -> Feedback? {
        var row = try PreparedStatement(
            "SELECT \(columns) FROM feedback WHERE session = ? AND request_id = ?",
            db
        )
        try row.bind(session)
        try row.bind(requestID)
        return try row.step() ? try feedback(row, sessionID: sessionID) : nil
    }

    /// Returns the last ratings up to a number of a session, or of all sessions, newest first; a
    /// damaged rating is read as ``Rating/none``.
    static func newestRatings(
        _ count: Int,
        ofSession session: Int64,
        upTo number: Int64,
        _ db: Database
    ) throws -> [Rating] {
        let isOne = session != SessionTable.everySession
        var row = try PreparedStatement(
            """
            SELECT rating FROM feedback \(isOne ? "INDEXED BY feedback_session" : "NOT INDEXED")
            WHERE sequence <= ? \(isOne ? "AND session = ?" : "") ORDER BY sequence DESC LIMIT ?
            """,
            db
        )
        try row.bind(number)
        if isOne { try row.bind(session) }
        try row.bind(Int64(count))
        var ratings: [Rating] = []
        while try row.step() { ratings.append((try? rating(row, 0)) ?? .none) }
        return ratings
    }

    /// Returns the number of feedbacks after a number with one of the ratings, of a session or of all
    /// sessions.
    static func count(
        _ ratings: Set<Rating>,
        ofSession session: Int64,
        after number: Int64,
        _ db: Database
    ) throws -> Int64 {
        let isOne = session != SessionTable.everySession
        let values = ratings.map(\.rawValue).sorted().map(String.init)
        var row = try PreparedStatement(
            """
            SELECT count(*) FROM feedback \(isOne ? "INDEXED BY feedback_session" : "NOT INDEXED")
            WHERE sequence > ? \(isOne ? "AND session = ?" : "")
                AND rating IN (\(values.joined(separator: ", ")))
            """,
            db
        )
        try row.bind(number)
        if isOne { try row.bind(session) }
        return try row.step() ? row.integer(0) : 0
    }

    /// Reads a feedback from a row of ``columns``.
    static func feedback(
        _ row: borrowing PreparedStatement,
        sessionID: String
    ) throws -> Feedback {
        let created = Timestamp(millisecondsSinceEpoch: row.integer(6))
        return Feedback(
            id: row.feedbackID(2),
            draft: FeedbackDraft(
                sessionID: sessionID,
                rating: try rating(row, 4),
                comment: row.text(5),
                requestID: row.text(3),
                messageID: row.text(8),
                agentID: row.text(9),
                author: try author(row),
                tags: row.isNull(12) ? [] : try tags(row.text(12)),
                attributes: row.isNull(13) ? [:] : try attributes(row.text(13))
            ),
            createdAt: created,
            updatedAt: row.isNull(7) ? created : Timestamp(millisecondsSinceEpoch: row.integer(7))
        )
    }

    static func rating(
        _ row: borrowing PreparedStatement,
        _ column: CInt
    ) throws -> Rating {
        guard let rating = Int32(exactly: row.integer(column)).flatMap(Rating.init(rawValue:))
        else {
            throw CallError(.dataLoss, "a stored feedback has an unknown rating")
        }
        return rating
    }

    private static func author(_ row: borrowing PreparedStatement) throws -> Author? {
        if row.isNull(10) { return nil }
        guard let source = Int32(exactly: row.integer(10)).flatMap(AuthorSource.init(rawValue:))
        else {
            throw CallError(.dataLoss, "a stored feedback has an unknown kind of author")
        }
        return Author(source: source, id: row.text(11))
    }

    private static func json(_ tags: [String]) -> String {
        MetadataValue.list(tags.map(MetadataValue.string)).json
    }

    private static func json(_ attributes: Attributes) -> String {
        MetadataValue.object(attributes.mapValues(MetadataValue.string)).json
    }

    private static func tags(_ json: String) throws -> [String] {
        guard case .list(let values)? = MetadataValue(json: json) else {
            throw CallError.unreadable
        }
        return try values.map { try text($0) }
    }

    private static func attributes(_ json: String) throws -> Attributes {
        guard case .object(let values)? = MetadataValue(json: json) else {
            throw CallError.unreadable
        }
        return try values.mapValues { try text($0) }
    }

    private static func text(_ value: MetadataValue) throws -> String {
        guard case .string(let text) = value else { throw CallError.unreadable }
        return text
    }
}

extension CallError {
    static let unreadable = CallError(
        .dataLoss,
        "a stored feedback has unreadable tags or attributes"
    )
}

extension String {
    fileprivate var nilIfEmpty: String? { isEmpty ? nil : self }
}
