import FeedbackModel
import Foundation
import GRDB

/// Queues the alerts of one transaction.
///
/// No id is given out twice, so that what is said of an alert is never said of another. They are
/// counted here, and ``end()`` writes how far; SQLite's AUTOINCREMENT writes that for each row. There
/// may be one at a time on a connection.
struct AlertInsertion: ~Copyable {
    private let db: Database
    private var statement: PreparedStatement
    private var nextID: Int64

    private init(_ db: Database, _ statement: consuming PreparedStatement, _ nextID: Int64) {
        self.db = db
        self.statement = statement
        self.nextID = nextID
    }

    /// Begins with what the last one has left.
    static func begin(_ db: Database) throws -> AlertInsertion {
        let row = try PreparedStatement("SELECT next_id FROM alert_sequence", db)
        guard try row.step() else {
            throw FeedbackError(.dataLoss, "the id of the next alert is missing")
        }
        let statement = try PreparedStatement(
            """
            INSERT INTO alert (id, state, rule, rule_when_unconfirmed, feedback_id, session_id,
                rating, comment, created_at, session_count, total_count, queued_at, due_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            db
        )
        return AlertInsertion(db, statement, row.integer(0))
    }

    /// Queues an alert, due at once, and returns its id.
    ///
    /// An unconfirmed one is kept with its rule.
    @discardableResult
    mutating func insert(_ alert: Alert, unconfirmed rule: AlertRule? = nil) throws -> Int64 {
        let createdAt = alert.createdAt.millisecondsSinceEpoch
        let state = rule == nil ? AlertTable.State.pending : .unconfirmed
        try statement.bind(nextID)
        try statement.bind(state.rawValue)
        try statement.bind(alert.rule)
        try statement.bind(
            try rule.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) }
        )
        try statement.bind(alert.feedbackID)
        try statement.bind(alert.sessionID)
        try statement.bind(Int64(alert.rating.rawValue))
        try statement.bind(alert.comment)
        try statement.bind(createdAt)
        try statement.bind(alert.sessionCount)
        try statement.bind(alert.totalCount)
        try statement.bind(createdAt)
        try statement.bind(createdAt)
        try statement.run()
        nextID += 1
        return nextID - 1
    }

    /// Notes which ids were given out.
    consuming func end() throws {
        var update = try PreparedStatement("UPDATE alert_sequence SET next_id = ?", db)
        try update.bind(nextID)
        try update.run()
    }
}
