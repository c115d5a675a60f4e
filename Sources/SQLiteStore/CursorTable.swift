import FeedbackCore
import FeedbackModel
import GRDB

/// The table `cursor`.
struct CursorTable {
    let db: Database

    init(_ db: Database) { self.db = db }

    /// Returns the number of a cursor in the table, and the cursor without its counts.
    ///
    /// - Throws: NOT_FOUND if there is none of the name.
    func find(_ name: String) throws -> (id: Int64, record: CursorRecord) {
        var row = try PreparedStatement(
            "SELECT id, position, paused, skipped, last_error FROM cursor WHERE name = ?",
            db
        )
        try row.bind(name)
        guard try row.step() else {
            throw CallError.unknownDestination
        }
        var record = CursorRecord(position: row.integer(1))
        record.isPaused = row.integer(2) != 0
        record.skippedCount = row.integer(3)
        record.lastError = row.text(4)
        return (row.integer(0), record)
    }

    /// Makes a cursor unless there is one of the name.
    func insert(_ name: String, position: Int64) throws {
        var row = try PreparedStatement(
            "INSERT INTO cursor (name, position) VALUES (?, ?) ON CONFLICT DO NOTHING",
            db
        )
        try row.bind(name)
        try row.bind(position)
        try row.run()
    }

    /// Returns the position of a cursor; nil if there is none of the name.
    func position(of name: String) throws -> Int64? {
        var row = try PreparedStatement("SELECT position FROM cursor WHERE name = ?", db)
        try row.bind(name)
        return try row.step() ? row.integer(0) : nil
    }

    /// Removes a cursor unless it has deliveries; returns true if there is none of the name then.
    func remove(_ name: String) throws -> Bool {
        var row = try PreparedStatement(
            """
            DELETE FROM cursor WHERE name = ?
                AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.cursor = cursor.id)
            """,
            db
        )
        try row.bind(name)
        try row.run()
        return try position(of: name) == nil
    }

    func record(_ progress: CursorProgress, of id: Int64) throws {
        var row = try PreparedStatement(
            """
            UPDATE cursor SET position = ifnull(?, position), skipped = skipped + ?,
                last_error = ifnull(?, last_error)
            WHERE id = ?
            """,
            db
        )
        try row.bind(progress.position)
        try row.bind(progress.skippedCount)
        try row.bind(progress.lastError)
        try row.bind(id)
        try row.run()
        for outcome in progress.outcomes { try DeliveryTable(db).record(outcome, cursor: id) }
    }

    func setPaused(_ isPaused: Bool, of id: Int64) throws {
        var row = try PreparedStatement("UPDATE cursor SET paused = ? WHERE id = ?", db)
        try row.bind(isPaused ? 1 : 0)
        try row.bind(id)
        try row.run()
    }

    /// The number of changes after a position that are counted.
    private static let countedMax: Int64 = 10_000

    /// Returns the number of changes after a position, and the time of the first one.
    ///
    /// Beyond ``countedMax`` the number is that of the log's numbers, which is at least as high.
    func behind(_ position: Int64) throws -> (count: Int64, since: Timestamp?) {
        let next = try FeedbackTable.changes(after: position, limit: 1, bytesMax: .max, db)
        var row = try PreparedStatement(
            """
            SELECT count(*) FROM (
                SELECT 1 FROM feedback NOT INDEXED WHERE sequence > ?1 AND changed IS NULL LIMIT ?2
            )
            """,
            db
        )
        try row.bind(position)
        try row.bind(Self.countedMax)
        var count = try row.step() ? row.integer(0) : 0
        var changed = try PreparedStatement(
            """
            SELECT count(*) FROM (
                SELECT 1 FROM feedback INDEXED BY feedback_changed WHERE changed > ?1 LIMIT ?2
            )
            """,
            db
        )
        try changed.bind(position)
        try changed.bind(Self.countedMax)
        count += try changed.step() ? changed.integer(0) : 0
        if count >= Self.countedMax { count = try ChangeNumbers.last(db) - position }
        return (count, next.changes.first?.feedback.updatedAt)
    }
}
