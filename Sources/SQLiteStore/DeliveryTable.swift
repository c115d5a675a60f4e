import FeedbackCore
import FeedbackModel
import GRDB

/// The table `delivery`.
struct DeliveryTable {
    /// The values of the column `state`.
    enum State: Int64 {
        case retrying = 1
        case dead = 2

        init(_ state: Delivery.State) { self = state == .dead ? .dead : .retrying }
    }

    let db: Database

    init(_ db: Database) { self.db = db }

    // MARK: - Reading

    /// Returns the state of a feedback's delivery; nil if there is none.
    func state(of sequence: Int64, cursor: Int64) throws -> Delivery.State? {
        var row = try PreparedStatement(
            "SELECT state FROM delivery WHERE cursor = ? AND sequence = ?",
            db
        )
        try row.bind(cursor)
        try row.bind(sequence)
        guard try row.step() else { return nil }
        return switch State(rawValue: row.integer(0)) {
        case .retrying: .retrying
        case .dead: .dead
        case nil: nil
        }
    }

    func count(_ state: State, cursor: Int64?) throws -> Int64 {
        var row = try PreparedStatement(
            """
            SELECT count(*) FROM delivery INDEXED BY delivery_state
            WHERE state = ? \(cursor == nil ? "" : "AND cursor = ?")
            """,
            db
        )
        try row.bind(state.rawValue)
        if let cursor { try row.bind(cursor) }
        return try row.step() ? row.integer(0) : 0
    }

    /// Returns deliveries that are due at a time of the run, the longest due first, and the time at
    /// which the next one is due.
    func due(cursor: Int64, at time: Int64, limit: Int) throws -> DueDeliveries {
        var row = try PreparedStatement(
            """
            SELECT \(FeedbackTable.columns), \(FeedbackTable.sessionID),
                ifnull(changed, sequence), revision, delivery.attempts, delivery.waited,
                delivery.first_attempt_at
            FROM (
                SELECT sequence AS listed, due, attempts, waited, first_attempt_at
                FROM delivery INDEXED BY delivery_due
                WHERE state = 1 AND cursor = ? AND due <= ? ORDER BY due LIMIT ?
            ) AS delivery CROSS JOIN feedback ON feedback.sequence = delivery.listed
            """,
            db
        )
        try row.bind(cursor)
        try row.bind(time)
        try row.bind(Int64(limit))
        var deliveries: [(change: CursorChange, attempts: DeliveryAttempts)] = []
        while try row.step() {
            // A damaged row must not hold up the others.
            guard let feedback = try? FeedbackTable.feedback(row, sessionID: row.text(14))
            else { continue }
            let change = CursorChange(
                number: row.integer(15),
                sequence: row.integer(0),
                kind: row.integer(16) > 1 ? .updated : .added,
                feedback: feedback,
                delivery: .retrying
            )
            let attempts = DeliveryAttempts(
                count: Int(row.integer(17)),
                waited: .milliseconds(row.integer(18)),
                firstAt: Timestamp(millisecondsSinceEpoch: row.integer(19))
            )
            deliveries.append((change, attempts))
        }
        return DueDeliveries(
            deliveries: deliveries,
            next: try nextDue(cursor: cursor, after: deliveries.count == limit ? nil : time)
        )
    }

    /// Returns the time at which the next delivery is due; nil if there is none.
    private func nextDue(cursor: Int64, after time: Int64?) throws -> Duration? {
        // With more that are due already, the time is past.
        guard let time else { return .zero }
        var row = try PreparedStatement(
            """
            SELECT min(due) FROM delivery INDEXED BY delivery_due
            WHERE state = 1 AND cursor = ? AND due > ?
            """,
            db
        )
        try row.bind(cursor)
        try row.bind(time)
        return try row.step() && !row.isNull(0) ? .milliseconds(row.integer(0)) : nil
    }

    /// Returns deliveries in the order of their ids, with their feedback if `bytesMax` is not nil:
    /// as many as take about so many bytes, and one beyond.
    func list(
        _ state: Delivery.State,
        cursor: Int64?,
        after id: Int64,
        limit: Int,
        bytesMax: Int?
    ) throws -> [Delivery] {
        var row = try PreparedStatement(
            """
            SELECT \(FeedbackTable.columns), \(FeedbackTable.sessionID), delivery.id, cursor.name,
                delivery.attempts, delivery.first_attempt_at, delivery.next_attempt_at,
                delivery.last_error
            FROM (
                SELECT id, cursor, sequence AS listed, attempts, first_attempt_at,
                    next_attempt_at, last_error
                FROM delivery
                WHERE state = ? AND id > ? \(cursor == nil ? "" : "AND cursor = ?")
                ORDER BY id LIMIT ?
            ) AS delivery
            JOIN cursor ON cursor.id = delivery.cursor
            LEFT JOIN feedback ON feedback.sequence = delivery.listed
            ORDER BY delivery.id
            """,
            db
        )
        try row.bind(State(state).rawValue)
        try row.bind(id)
        if let cursor { try row.bind(cursor) }
        try row.bind(Int64(limit))
        var deliveries: [Delivery] = []
        var bytes = 0
        while try row.step() {
            var delivery = Delivery(
                id: String(row.integer(15)),
                destination: row.text(16),
                feedbackID: row.feedbackID(2),
                sessionID: row.text(14),
                state: state,
                attempts: Int(row.integer(17)),
                firstAttemptAt: Timestamp(millisecondsSinceEpoch: row.integer(18)),
                nextAttemptAt: state == .dead || row.isNull(19)
                    ? nil : Timestamp(millisecondsSinceEpoch: row.integer(19)),
                lastError: row.text(20)
            )
            if bytesMax != nil, !row.isNull(0),
                let feedback = try? FeedbackTable.feedback(row, sessionID: row.text(14))
            {
                bytes += feedback.bytes
                delivery.feedback = feedback
            }
            deliveries.append(delivery)
            // The one beyond tells the caller that there are more.
            if let bytesMax, bytes > bytesMax, deliveries.count > 1 { break }
        }
        return deliveries
    }

    // MARK: - Changing

    /// Makes the deliveries that wait due at random times of a new run's first milliseconds.
    func beginRun(cursor: Int64, spreadMilliseconds: Int64) throws {
        var row = try PreparedStatement(
            """
            UPDATE delivery SET due = abs(random() % ?) WHERE cursor = ? AND state = 1
            """,
            db
        )
        try row.bind(max(spreadMilliseconds, 1))
        try row.bind(cursor)
        try row.run()
    }

    func record(_ outcome: CursorProgress.Outcome, cursor: Int64) throws {
        switch outcome.next {
        case .ended:
            var row = try PreparedStatement(
                "DELETE FROM delivery WHERE cursor = ? AND sequence = ?",
                db
            )
            try row.bind(cursor)
            try row.bind(outcome.sequence)
            try row.run()
        case .retrying(let due, let at, let error, let attempts):
            try put(outcome.sequence, cursor, .retrying, due, at, error, attempts)
        case .dead(let error, let attempts):
            try put(outcome.sequence, cursor, .dead, .zero, nil, error, attempts)
        }
    }

    private func put(
        _ sequence: Int64,
        _ cursor: Int64,
        _ state: State,
        _ due: Duration,
        _ nextAttemptAt: Timestamp?,
        _ error: String,
        _ attempts: DeliveryAttempts
    ) throws {
        var row = try PreparedStatement(
            """
            INSERT INTO delivery (cursor, sequence, state, attempts, first_attempt_at,
                next_attempt_at, due, waited, last_error)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (cursor, sequence) DO UPDATE SET state = excluded.state,
                attempts = excluded.attempts, first_attempt_at = excluded.first_attempt_at,
                next_attempt_at = excluded.next_attempt_at, due = excluded.due,
                waited = excluded.waited, last_error = excluded.last_error
            """,
            db
        )
        try row.bind(cursor)
        try row.bind(sequence)
        try row.bind(state.rawValue)
        try row.bind(Int64(attempts.count))
        try row.bind(attempts.firstAt.millisecondsSinceEpoch)
        try row.bind(nextAttemptAt?.millisecondsSinceEpoch)
        try row.bind(Int64(due / .milliseconds(1)))
        try row.bind(Int64(attempts.waited / .milliseconds(1)))
        try row.bind(error)
        try row.run()
    }

    /// The maximum number of deliveries that one call without ids changes.
    static let changedMax = 1_000

    /// Makes deliveries due at once, those with the ids or dead letters, at most ``changedMax``, and
    /// returns their number.
    func retry(_ ids: [Int64]?, cursor: Int64, at now: Timestamp) throws -> Int64 {
        let update = """
            UPDATE delivery SET state = 1, due = 0, next_attempt_at = ?1,
                waited = 0, attempts = iif(state = 2, 0, attempts)
            """
        return try change(by: update, ids, cursor) { try $0.bind(now.millisecondsSinceEpoch) }
    }

    /// Removes deliveries, those with the ids or dead letters, at most ``changedMax``, and returns
    /// their number.
    func drop(_ ids: [Int64]?, cursor: Int64) throws -> Int64 {
        try change(by: "DELETE FROM delivery", ids, cursor) { _ in }
    }

    private func change(
        by sql: String,
        _ ids: [Int64]?,
        _ cursor: Int64,
        bind: (inout PreparedStatement) throws -> Void
    ) throws -> Int64 {
        guard let ids else {
            var row = try PreparedStatement(
                """
                \(sql) WHERE id IN (
                    SELECT id FROM delivery INDEXED BY delivery_state
                    WHERE state = 2 AND cursor = ? LIMIT \(Self.changedMax)
                )
                """,
                db
            )
            try bind(&row)
            try row.bind(cursor)
            try row.run()
            return Int64(db.changesCount)
        }
        var count: Int64 = 0
        for id in Set(ids) {
            var row = try PreparedStatement(
                "\(sql) WHERE cursor = ? AND id = ?",
                db
            )
            try bind(&row)
            try row.bind(cursor)
            try row.bind(id)
            try row.run()
            count += Int64(db.changesCount)
        }
        return count
    }
}
