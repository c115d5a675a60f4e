import FeedbackModel
import GRDB

/// The table `alert_untried`.
///
/// An alert is here from the feedback's transaction until its first attempt. Its content is read
/// from the feedback's row, and the table has no index but the primary key: so queueing costs an
/// add as little as possible.
struct UntriedOutbox {
    let db: Database

    /// Returns the alerts of the rule, or of all rules, with ids above `id`, in the order of their
    /// ids.
    func first(of rule: String?, after id: Int64, limit: Int) throws -> [QueuedAlert] {
        var row = try PreparedStatement(rule == nil ? Self.firstOfAll : Self.firstOfRule, db)
        try row.bind(id)
        if let rule { try row.bind(rule) }
        try row.bind(Int64(limit))
        return try AlertTable.alerts(&row)
    }

    /// Returns the greatest id below which the rule has no alert now, searching from `id` on: the
    /// id of its first alert, or the id after the last row.
    func begin(of rule: String, from id: Int64) throws -> Int64 {
        var row = try PreparedStatement(
            """
            SELECT ifnull(
                (SELECT id FROM alert_untried WHERE id >= ?1 AND rule = ?2 ORDER BY id LIMIT 1),
                (SELECT ifnull(max(id), 0) + 1 FROM alert_untried)
            )
            """,
            db
        )
        try row.bind(id)
        try row.bind(rule)
        return try row.step() ? max(id, row.integer(0)) : id
    }

    /// Returns the time since which the rule's first alert, from `id` on, is due; nil if there is
    /// none.
    func firstDue(of rule: String, from id: Int64) throws -> Timestamp? {
        var row = try PreparedStatement(
            """
            SELECT created_at FROM \(Self.withFeedback)
            WHERE alert_untried.id >= ? AND rule = ? ORDER BY alert_untried.id LIMIT 1
            """,
            db
        )
        try row.bind(id)
        try row.bind(rule)
        return try row.step() ? Timestamp(millisecondsSinceEpoch: row.integer(0)) : nil
    }

    func count() throws -> Int64 {
        let row = try PreparedStatement("SELECT count(*) FROM alert_untried", db)
        return try row.step() ? row.integer(0) : 0
    }

    /// Deletes an alert; returns true if it existed.
    func delete(_ id: Int64) throws -> Bool {
        var row = try PreparedStatement("DELETE FROM alert_untried WHERE id = ?", db)
        try row.bind(id)
        try row.run()
        return db.changesCount > 0
    }

    /// Moves the alert, if it is here, to the table `alert`.
    func moveToTried(_ id: Int64) throws {
        var insertion = try PreparedStatement(
            """
            INSERT INTO alert (\(AlertTable.columns))
            SELECT \(Self.alertColumns) FROM \(Self.withFeedback) WHERE alert_untried.id = ?
            """,
            db
        )
        try insertion.bind(id)
        try insertion.run()
        _ = try delete(id)
    }

    static let firstOfAll = first("alert_untried.id > ?")
    static let firstOfRule = first("alert_untried.id > ? AND rule = ?")

    private static func first(_ condition: String) -> String {
        "SELECT \(alertColumns) FROM \(withFeedback) WHERE \(condition) "
            + "ORDER BY alert_untried.id LIMIT ?"
    }

    /// The values of ``AlertTable/columns``.
    private static let alertColumns =
        "alert_untried.id, \(AlertTable.State.pending.rawValue), rule, feedback_id, "
        + "session.session_id, rating, ifnull(comment, ''), created_at, session_count, "
        + "total_count, created_at, created_at, 0, ''"

    private static let withFeedback = """
        alert_untried
        CROSS JOIN feedback ON feedback.sequence = alert_untried.sequence
        CROSS JOIN session ON session.id = feedback.session
        """
}

/// Queues alerts about the feedback that the same transaction inserts.
struct UntriedOutboxInsertion: ~Copyable {
    private var ids: AlertSequence
    private var statement: PreparedStatement

    private init(_ ids: consuming AlertSequence, _ statement: consuming PreparedStatement) {
        self.ids = ids
        self.statement = statement
    }

    static func begin(_ db: Database) throws -> UntriedOutboxInsertion {
        let statement = try PreparedStatement(
            """
            INSERT INTO alert_untried (id, rule, sequence, session_count, total_count)
            VALUES (?, ?, ?, ?, ?)
            """,
            db
        )
        return UntriedOutboxInsertion(try AlertSequence(db), statement)
    }

    /// Queues an alert, due at once, about the feedback with the sequence.
    mutating func insert(
        rule: String,
        sequence: Int64,
        sessionCount: Int64,
        totalCount: Int64
    ) throws {
        try statement.bind(ids.next())
        try statement.bind(rule)
        try statement.bind(sequence)
        try statement.bind(sessionCount)
        try statement.bind(totalCount)
        try statement.run()
    }

    /// Stores the next id; must be called before the transaction ends.
    consuming func end() throws { try ids.end() }
}
