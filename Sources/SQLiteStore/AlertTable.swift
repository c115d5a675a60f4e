import FeedbackCore
import FeedbackModel
import Foundation
import GRDB

/// The table `alert`: alerts that were tried, dead letters, and unconfirmed alerts.
struct AlertTable {
    /// The values of the column `state`.
    enum State: Int64 {
        case unconfirmed = 0
        case pending = 1
        case dead = 2

        /// The clause that selects the index by which the alerts of the state are found in the
        /// order of their ids; pending ones are found in the table itself, which has few others.
        fileprivate var index: String {
            switch self {
            case .unconfirmed: "INDEXED BY alert_unconfirmed"
            case .pending: "NOT INDEXED"
            case .dead: "INDEXED BY alert_dead"
            }
        }
    }

    let db: Database

    init(_ db: Database) { self.db = db }

    private var untried: UntriedOutbox { UntriedOutbox(db: db) }

    /// Inserts an unconfirmed alert with its rule and returns its id.
    func insert(_ alert: Alert, unconfirmed rule: AlertRule) throws -> Int64 {
        var ids = try AlertSequence(db)
        let id = ids.next()
        try ids.end()
        let createdAt = alert.createdAt.millisecondsSinceEpoch
        var row = try PreparedStatement(
            """
            INSERT INTO alert (id, state, rule, rule_when_unconfirmed, feedback_id, session_id,
                rating, comment, created_at, session_count, total_count, queued_at, due_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            db
        )
        try row.bind(id)
        try row.bind(State.unconfirmed.rawValue)
        try row.bind(alert.rule)
        try row.bind(String(decoding: try JSONEncoder().encode(rule), as: UTF8.self))
        try row.bind(alert.feedbackID)
        try row.bind(alert.sessionID)
        try row.bind(Int64(alert.rating.rawValue))
        try row.bind(alert.comment)
        try row.bind(createdAt)
        try row.bind(alert.sessionCount)
        try row.bind(alert.totalCount)
        try row.bind(createdAt)
        try row.bind(createdAt)
        try row.run()
        return id
    }

    /// The greatest distance of a due time, in milliseconds.
    ///
    /// A due time further ahead, which no pause explains, was computed before the clock was set
    /// back.
    private static let dueLatest = 2 * Timestamp.hourMilliseconds

    /// Returns the rule's due alerts, the longest due first; of the untried ones, those with ids
    /// from `untriedFrom` on.
    func due(
        of rule: String,
        at now: Timestamp,
        untriedFrom id: Int64,
        limit: Int
    ) throws -> [QueuedAlert] {
        let alerts =
            try triedDue(of: rule, at: now, limit: limit)
            + untried.first(of: rule, after: id - 1, limit: limit)
        return Array(alerts.sorted { $0.dueAndID < $1.dueAndID }.prefix(limit))
    }

    private func triedDue(of rule: String, at now: Timestamp, limit: Int) throws -> [QueuedAlert] {
        for (comparison, bound) in [("<=", 0), (">", Self.dueLatest)] {
            var row = try PreparedStatement(
                """
                SELECT \(Self.columns) FROM alert
                WHERE state = 1 AND rule = ? AND due_at \(comparison) ?
                ORDER BY due_at, id LIMIT ?
                """,
                db
            )
            try row.bind(rule)
            try row.bind(now.millisecondsSinceEpoch + bound)
            try row.bind(Int64(limit))
            let alerts = try Self.alerts(&row)
            if !alerts.isEmpty { return alerts }
        }
        return []
    }

    /// Returns the time at which the rule's next alert is due; nil if there is none.
    ///
    /// Of the untried alerts, those with ids from `untriedFrom` on are considered.
    func nextDue(of rule: String, untriedFrom id: Int64) throws -> Timestamp? {
        var row = try PreparedStatement(
            "SELECT min(due_at) FROM alert WHERE state = 1 AND rule = ?",
            db
        )
        try row.bind(rule)
        let tried =
            try row.step() && !row.isNull(0)
            ? Timestamp(millisecondsSinceEpoch: row.integer(0)) : nil
        return try [tried, untried.firstDue(of: rule, from: id)].compactMap(\.self).min()
    }

    func list(_ state: State, after id: Int64, limit: Int) throws -> [QueuedAlert] {
        var row = try PreparedStatement(
            """
            SELECT \(Self.columns) FROM alert \(state.index)
            WHERE state = \(state.rawValue) AND id > ? ORDER BY id LIMIT ?
            """,
            db
        )
        try row.bind(id)
        try row.bind(Int64(limit))
        let alerts = try Self.alerts(&row)
        if state != .pending { return alerts }
        let all = try alerts + untried.first(of: nil, after: id, limit: limit)
        return Array(all.sorted { $0.id < $1.id }.prefix(limit))
    }

    func count(_ state: State) throws -> Int64 {
        let row = try PreparedStatement(
            "SELECT count(*) FROM alert WHERE state = \(state.rawValue)",
            db
        )
        let count = try row.step() ? row.integer(0) : 0
        return state == .pending ? try count + untried.count() : count
    }

    /// Returns unconfirmed alerts with their rules, in the order of their ids.
    ///
    /// A rule that cannot be decoded is replaced by one that selects every feedback.
    func unconfirmed(after id: Int64, limit: Int) throws -> [(QueuedAlert, AlertRule)] {
        try list(.unconfirmed, after: id, limit: limit).map { alert in
            var row = try PreparedStatement(
                "SELECT rule_when_unconfirmed FROM alert WHERE id = ?",
                db
            )
            try row.bind(alert.id)
            let json = try row.step() ? row.text(0) : ""
            let rule = try? JSONDecoder().decode(AlertRule.self, from: Data(json.utf8))
            return (alert, rule ?? AlertRule(name: alert.alert.rule))
        }
    }

    /// Adds the alert to its rule's total and makes it pending, or deletes it if its rule is not
    /// met.
    func confirm(_ alert: QueuedAlert, isMet: Bool, sessionCount: Int64) throws {
        // The alert may have been confirmed before.
        var row = try PreparedStatement("SELECT 1 FROM alert WHERE id = ? AND state = 0", db)
        try row.bind(alert.id)
        guard try row.step() else { return }
        var add = try PreparedStatement(
            """
            INSERT INTO alert_total (rule, total) VALUES (?, 1)
            ON CONFLICT (rule) DO UPDATE SET total = total + 1
            """,
            db
        )
        try add.bind(alert.alert.rule)
        try add.run()
        guard isMet else { return try delete(alert.id) }
        var update = try PreparedStatement(
            """
            UPDATE alert SET state = 1, rule_when_unconfirmed = NULL, session_count = ?,
                total_count = (SELECT total FROM alert_total WHERE alert_total.rule = alert.rule)
            WHERE id = ?
            """,
            db
        )
        try update.bind(sessionCount)
        try update.bind(alert.id)
        try update.run()
    }

    func settle(_ outcome: AlertOutcome) throws {
        switch outcome.next {
        case .delivered: if try !untried.delete(outcome.id) { try delete(outcome.id) }
        case .retry(let moment, let error):
            try noteFailure(outcome.id, .pending, moment.millisecondsSinceEpoch, error)
        case .dead(let error): try noteFailure(outcome.id, .dead, nil, error)
        }
    }

    func delete(_ id: Int64) throws {
        var row = try PreparedStatement("DELETE FROM alert WHERE id = ?", db)
        try row.bind(id)
        try row.run()
    }

    /// The maximum number of alerts that one call of ``retry(_:at:)`` without ids changes.
    static let retriedMax = 1_000

    /// Makes dead letters pending again and returns their number.
    func retry(_ ids: [Int64], at now: Timestamp) throws -> Int {
        let assignments = "state = 1, queued_at = ?1, due_at = ?1, attempts = 0"
        if ids.isEmpty {
            var update = try PreparedStatement(
                """
                UPDATE alert SET \(assignments)
                WHERE id IN (SELECT id FROM alert WHERE state = 2 LIMIT \(Self.retriedMax))
                """,
                db
            )
            try update.bind(now.millisecondsSinceEpoch)
            try update.run()
            return db.changesCount
        }
        var count = 0
        for id in Set(ids) {
            var update = try PreparedStatement(
                "UPDATE alert SET \(assignments) WHERE id = ?2 AND state = 2",
                db
            )
            try update.bind(now.millisecondsSinceEpoch)
            try update.bind(id)
            try update.run()
            count += db.changesCount
        }
        return count
    }

    private func noteFailure(
        _ id: Int64,
        _ state: State,
        _ due: Int64?,
        _ error: String
    ) throws {
        try untried.moveToTried(id)
        var row = try PreparedStatement(
            """
            UPDATE alert SET state = ?, due_at = ifnull(?, due_at), attempts = attempts + 1,
                last_error = ?
            WHERE id = ?
            """,
            db
        )
        try row.bind(state.rawValue)
        try row.bind(due)
        try row.bind(error)
        try row.bind(id)
        try row.run()
    }

    static let columns =
        "id, state, rule, feedback_id, session_id, rating, comment, created_at, session_count, "
        + "total_count, queued_at, due_at, attempts, last_error"

    /// Reads alerts from rows of ``columns``.
    static func alerts(_ row: inout PreparedStatement) throws -> [QueuedAlert] {
        var alerts: [QueuedAlert] = []
        while try row.step() {
            // A damaged row must not hold up the others.
            if let alert = try? alert(row) { alerts.append(alert) }
        }
        return alerts
    }

    /// Reads an alert from a row of ``columns``.
    private static func alert(_ row: borrowing PreparedStatement) throws -> QueuedAlert {
        guard let feedbackID = row.feedbackID(3) else {
            throw CallError(.dataLoss, "a queued alert has no feedback_id")
        }
        let isDead = row.integer(1) == State.dead.rawValue
        let due = Timestamp(millisecondsSinceEpoch: row.integer(11))
        return QueuedAlert(
            id: row.integer(0),
            alert: Alert(
                rule: row.text(2),
                feedbackID: feedbackID,
                sessionID: row.text(4),
                rating: try FeedbackTable.rating(row, 5),
                comment: row.text(6),
                createdAt: Timestamp(millisecondsSinceEpoch: row.integer(7)),
                sessionCount: row.integer(8),
                totalCount: row.integer(9)
            ),
            state: isDead ? .dead : .pending(due: due),
            queuedAt: Timestamp(millisecondsSinceEpoch: row.integer(10)),
            attempts: Int(row.integer(12)),
            lastError: row.text(13)
        )
    }
}

extension QueuedAlert {
    /// The sort key of the due order.
    fileprivate var dueAndID: (Int64, Int64) {
        guard case .pending(let due) = state else { return (.max, id) }
        return (due.millisecondsSinceEpoch, id)
    }
}
