import FeedbackCore
import FeedbackModel
import GRDB

/// The table `session`.
enum SessionTable {
    /// The number that represents all sessions together in the counter tables.
    static let everySession: Int64 = 0

    /// Returns the session's number; nil if the session does not exist.
    static func number(_ sessionID: String, _ db: Database) throws -> Int64? {
        var search = try numberSearch(db)
        return try number(sessionID, by: &search)
    }

    /// Returns the session's number by a statement that many searches share; nil if it does not
    /// exist.
    static func number(_ sessionID: String, by search: inout PreparedStatement) throws -> Int64? {
        defer { search.reset() }
        try search.bind(sessionID)
        return try search.step() ? search.integer(0) : nil
    }

    static func numberSearch(_ db: Database) throws -> PreparedStatement {
        try PreparedStatement("SELECT id FROM session WHERE session_id = ?", db)
    }

    /// Returns the number of a query's session in the counter tables, ``everySession`` without
    /// one; nil if the session does not exist.
    static func number(filter sessionID: String?, _ db: Database) throws -> Int64? {
        guard let sessionID else { return everySession }
        return try number(sessionID, db)
    }

    static func insert(_ sessionID: String, _ db: Database) throws -> Int64 {
        var insert = try PreparedStatement("INSERT INTO session (session_id) VALUES (?)", db)
        try insert.bind(sessionID)
        try insert.run()
        return db.lastInsertedRowID
    }

    static func sessionID(_ number: Int64, _ db: Database) throws -> String {
        var row = try PreparedStatement("SELECT session_id FROM session WHERE id = ?", db)
        try row.bind(number)
        guard try row.step() else { throw CallError.missingSessionRow }
        return row.text(0)
    }

    /// Returns the session's metadata as JSON; nil if the session does not exist.
    static func metadata(_ sessionID: String, _ db: Database) throws -> String? {
        var row = try PreparedStatement("SELECT metadata FROM session WHERE session_id = ?", db)
        try row.bind(sessionID)
        return try row.step() ? row.text(0) : nil
    }

    /// Sets a session's metadata by a change with the number in the log.
    static func setMetadata(
        _ number: Int64,
        _ json: String,
        changed: Int64,
        _ db: Database
    ) throws {
        var update = try PreparedStatement(
            "UPDATE session SET metadata = ?, changed = ? WHERE id = ?",
            db
        )
        try update.bind(json)
        try update.bind(changed)
        try update.bind(number)
        try update.run()
    }

    /// Returns the group key, as ``MetadataJSON/groupKey(_:)``, of the session's value under `key`,
    /// mostly without decoding the metadata.
    static func groupKey(_ key: String, ofSession number: Int64, _ db: Database) throws -> String {
        // SQLite's conversion of numbers may differ from Swift's in the last digit, and it does not
        // know -0: such values are decoded in Swift.
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
        guard try row.step() else { throw CallError.missingSessionRow }
        if row.isNull(0) { return "" }
        if !row.isNull(2) {
            return MetadataJSON.groupKey(try MetadataJSON.decode(row.text(2))[key])
        }
        return switch row.text(0) {
        case "true", "false", "null": row.text(0)
        default: row.text(1)
        }
    }
}

extension CallError {
    fileprivate static let missingSessionRow = CallError(
        .dataLoss,
        "the database counts feedback of a session that it does not know"
    )
}
