import FeedbackModel
import GRDB

/// The alerts of versions up to 5, which had tables of their own.
///
/// Those that wait become deliveries, untried or not, and dead letters stay what they are, with their
/// ids, under a cursor of the rule's name that has passed all feedback.
enum FormerAlerts {
    /// Moves the alerts to the table `delivery`, and drops their tables.
    static func migrate(_ db: Database) throws {
        try db.execute(sql: unconfirmed)
        try findFeedback(db)
        try addMissingFeedback(db)
        try db.execute(sql: moving)
    }

    /// Makes intents of the alerts beside another store of whose feedback it was not known whether
    /// that store has it (state 0): they are looked up, and their rules are asked anew.
    private static let unconfirmed = """
        INSERT OR IGNORE INTO intent (feedback_id, session_id, rating, comment, created_at)
        SELECT feedback_id, session_id, rating, nullif(comment, ''), created_at FROM alert
        WHERE state = 0
            AND feedback_id NOT IN (SELECT feedback_id FROM alert WHERE state <> 0);
        INSERT INTO cursor (name, position) SELECT DISTINCT rule, 0 FROM alert WHERE state = 0;
        DELETE FROM alert WHERE state = 0;
        """

    /// Notes the sequence of each alert's feedback in the table `former_alert`.
    private static func findFeedback(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE former_alert (
                    id INTEGER PRIMARY KEY,
                    feedback_id BLOB NOT NULL,
                    sequence INTEGER
                ) STRICT;
                INSERT INTO former_alert SELECT id, feedback_id, NULL FROM alert;
                CREATE INDEX former_alert_feedback ON former_alert (feedback_id);
                """
        )
        if try Int.fetchOne(db, sql: "SELECT 1 FROM former_alert LIMIT 1") == nil { return }
        // The feedback is read once, since it has no index of its ids.
        try db.execute(
            sql: """
                UPDATE former_alert SET sequence = found.sequence
                FROM (
                    SELECT former_alert.id AS id, feedback.sequence AS sequence
                    FROM feedback CROSS JOIN former_alert INDEXED BY former_alert_feedback
                        ON former_alert.feedback_id = feedback.feedback_id
                ) AS found
                WHERE former_alert.id = found.id
                """
        )
    }

    /// Adds the feedback that the database does not have, of what its alert knows: it is in another
    /// store, beside which the database stood.
    private static func addMissingFeedback(_ db: Database) throws {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT alert.feedback_id, session_id, rating, comment, created_at
                FROM alert JOIN former_alert USING (id) WHERE former_alert.sequence IS NULL
                GROUP BY alert.feedback_id ORDER BY min(alert.id)
                """
        )
        var sequence = try Int64.fetchOne(db, sql: "SELECT max(sequence) FROM feedback") ?? 0
        var counters = CounterChanges()
        for row in rows {
            let sessionID: String = row[1]
            let session =
                try SessionTable.number(sessionID, db) ?? SessionTable.insert(sessionID, db)
            let feedback = Feedback(
                id: nil,
                draft: FeedbackDraft(
                    sessionID: sessionID,
                    rating: Rating(rawValue: row[2]) ?? .none,
                    comment: row[3]
                ),
                createdAt: Timestamp(millisecondsSinceEpoch: row[4])
            )
            sequence += 1
            var insertion = try FeedbackTable.insertion(db)
            _ = try FeedbackTable.insert(
                feedback,
                sequence: sequence,
                session: session,
                by: &insertion,
                db
            )
            counters.count(feedback, session: session, sequence: sequence)
            let id: DatabaseValue = row[0]
            try db.execute(
                sql: "UPDATE feedback SET feedback_id = ? WHERE sequence = ?",
                arguments: [id, sequence]
            )
            try db.execute(
                sql: "UPDATE former_alert SET sequence = ? WHERE feedback_id = ?",
                arguments: [sequence, id]
            )
        }
        try counters.write(to: db)
    }

    private static let moving = """
        INSERT OR IGNORE INTO cursor (name, position)
        SELECT rule, 0 FROM (SELECT rule FROM alert UNION SELECT rule FROM alert_untried);
        UPDATE cursor SET position = (SELECT ifnull(max(sequence), 0) FROM feedback);
        INSERT OR IGNORE INTO delivery (id, cursor, sequence, state, attempts, first_attempt_at,
            next_attempt_at, last_error)
        SELECT alert.id, cursor.id, former_alert.sequence, state, attempts, queued_at,
            iif(state = 1, due_at, NULL), alert.last_error
        FROM alert JOIN former_alert USING (id) JOIN cursor ON cursor.name = alert.rule;
        INSERT OR IGNORE INTO delivery (id, cursor, sequence, state, attempts, first_attempt_at,
            next_attempt_at)
        SELECT alert_untried.id, cursor.id, feedback.sequence, 1, 0, created_at, created_at
        FROM alert_untried JOIN feedback USING (sequence)
        JOIN cursor ON cursor.name = alert_untried.rule;
        DELETE FROM sqlite_sequence WHERE name = 'delivery';
        INSERT INTO sqlite_sequence (name, seq) SELECT 'delivery', next_id - 1 FROM alert_sequence;
        DROP TABLE former_alert;
        DROP TABLE alert;
        DROP TABLE alert_untried;
        DROP TABLE alert_sequence;
        DROP TABLE alert_total;
        """
}
