import FeedbackCore
import FeedbackModel
import GRDB

/// The rows of `session`.
enum SessionTable {
    /// What the counter tables call all sessions together.
    static let everySession: Int64 = 0

    /// The session's number; nil if it is unknown.
    static func number(_ sessionID: String, _ db: Database) throws -> Int64? {
        var search = try numberSearch(db)
        return try number(sessionID, by: &search)
    }

    /// The same by a statement that many searches share.
    static func number(_ sessionID: String, by search: inout PreparedStatement) throws -> Int64? {
        defer { search.reset() }
        try search.bind(sessionID)
        return try search.step() ? search.integer(0) : nil
    }

    static func numberSearch(_ db: Database) throws -> PreparedStatement {
        try PreparedStatement("SELECT id FROM session WHERE session_id = ?", db)
    }

    /// The number that a query's session has in the counter tables; nil if it is unknown.
    static func number(filter sessionID: String, _ db: Database) throws -> Int64? {
        sessionID.isEmpty ? everySession : try number(sessionID, db)
    }

    static func insert(_ sessionID: String, metadata: String = "{}", _ db: Database) throws -> Int64
    {
        var insert = try PreparedStatement(
            "INSERT INTO session (session_id, metadata) VALUES (?, ?)",
            db
        )
        try insert.bind(sessionID)
        try insert.bind(metadata)
        try insert.run()
        return db.lastInsertedRowID
    }

    static func sessionID(_ number: Int64, _ db: Database) throws -> String {
        var row = try PreparedStatement("SELECT session_id FROM session WHERE id = ?", db)
        try row.bind(number)
        guard try row.step() else { throw FeedbackError.missingSessionRow }
        return row.text(0)
    }

    /// The session's metadata as JSON; nil if the session is unknown.
    static func metadata(_ sessionID: String, _ db: Database) throws -> String? {
        var row = try PreparedStatement("SELECT metadata FROM session WHERE session_id = ?", db)
        try row.bind(sessionID)
        return try row.step() ? row.text(0) : nil
    }

    static func setMetadata(_ number: Int64, _ json: String, _ db: Database) throws {
        var update = try PreparedStatement("UPDATE session SET metadata = ? WHERE id = ?", db)
        try update.bind(json)
        try update.bind(number)
        try update.run()
    }

    /// What ``MetadataJSON/groupKey(_:)`` calls the session's value under the key, mostly without
    /// decoding the metadata.
    static func groupKey(_ key: String, ofSession number: Int64, _ db: Database) throws -> String {
        // SQLite's own reading of numbers may differ from Swift's in the last digit, and it knows
        // no -0: those are decoded here.
        var row = try PreparedStatement(
            """
            SELECT value.type, value.value,
                CASE WHEN value.type = 'real' OR (value.type = 'integer' AND value.value = 0)
                    THEN session.metadata END
            FROM session LEFT JOIN json_each(session.metadata) AS value ON value.key = ?
            WHERE session.id = ?
            """,
            db
        )
        try row.bind(key)
        try row.bind(number)
        guard try row.step() else { throw FeedbackError.missingSessionRow }
        if row.isNull(0) { return "" }
        if !row.isNull(2) {
            return try MetadataJSON.groupKey(try MetadataJSON.decode(row.text(2))[key])
        }
        return switch row.text(0) {
        case "true", "false", "null": row.text(0)
        default: row.text(1)
        }
    }
}

extension FeedbackError {
    fileprivate static let missingSessionRow = FeedbackError(
        .dataLoss,
        "the database counts feedback of a session that it does not know"
    )
}
