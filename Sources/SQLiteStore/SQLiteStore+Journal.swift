import FeedbackCore
import FeedbackModel
import GRDB

/// The parts of a database that only a journal beside another store uses.
extension SQLiteStore {
    /// Makes a write of a journal.
    func submit(_ write: StoreWrite, context: CallContext) async throws {
        _ = try await writes.submit(write, context: context)
    }

    /// Returns feedback whose add another store has not decided yet; see ``IntentTable``.
    func intents(after id: FeedbackID?, limit: Int) async throws -> [Feedback] {
        try await database.read { try IntentTable.list(after: id, limit: limit, $0) }
    }

    /// Returns the first changes after a number that another store is to have: at most `limit`, and
    /// at least one but no more than take about `bytesMax` bytes.
    func waitingChanges(after number: Int64, limit: Int, bytesMax: Int) async throws -> WaitingPage
    {
        try await database.read { db in
            let found = try FeedbackTable.changes(
                after: number,
                limit: limit,
                bytesMax: bytesMax,
                db
            )
            let feedbacks = found.changes.map { change in
                WaitingChange(
                    number: change.number,
                    source: .feedback(sequence: change.sequence),
                    change: AcceptedChange(
                        .add(change.feedback.draft),
                        feedbackID: change.feedback.id ?? FeedbackID(high: 0, low: 0),
                        acceptedAt: change.feedback.createdAt
                    )
                )
            }
            let sessions = try SessionTable.changes(after: number, limit: limit, db)
            let sessionEnd = sessions.count < limit ? nil : sessions.last?.number
            // What follows the end of either is not known.
            let known =
                try [found.end, sessionEnd].compactMap(\.self).min()
                ?? max(number, ChangeNumbers.last(db))
            return WaitingPage(
                changes: (feedbacks + sessions).filter { $0.number <= known }
                    .sorted { $0.number < $1.number },
                readUpTo: known,
                unreadableCount: found.unreadableCount
            )
        }
    }

    /// Returns the number of changes after a number, and the time of the oldest feedback among them.
    func waiting(after number: Int64) async throws -> (count: Int64, since: Timestamp?) {
        try await database.read { db in
            var row = try PreparedStatement(
                """
                SELECT (SELECT count(*) FROM feedback NOT INDEXED WHERE sequence > ?1)
                    + (SELECT count(*) FROM session INDEXED BY session_changed WHERE changed > ?1),
                    (SELECT created_at FROM feedback NOT INDEXED WHERE sequence > ?1
                        ORDER BY sequence LIMIT 1)
                """,
                db
            )
            try row.bind(number)
            guard try row.step() else { return (0, nil) }
            let since = row.isNull(1) ? nil : Timestamp(millisecondsSinceEpoch: row.integer(1))
            return (row.integer(0), since)
        }
    }

    /// Forgets changes that another store has.
    func settle(_ changes: [SettledChange]) async throws {
        let change: @Sendable (Database) throws -> Void = { db in
            for change in changes {
                switch change {
                case .drop(let sequence): try FeedbackTable.delete(sequence, db)
                case .written(let session, let number):
                    try SessionTable.forgetMetadata(session, changed: number, db)
                }
            }
        }
        try await submit(.changeRows(change), context: CallContext())
    }

    /// Returns the ratings of a session's feedback between two numbers, by the identifiers.
    func ratings(
        ofSession sessionID: String,
        after number: Int64,
        upTo end: Int64
    ) async throws -> [FeedbackID: Rating] {
        try await database.read { db in
            guard let session = try SessionTable.number(sessionID, db) else { return [:] }
            var row = try PreparedStatement(
                """
                SELECT feedback_id, rating FROM feedback INDEXED BY feedback_session
                WHERE session = ? AND sequence > ? AND sequence <= ?
                """,
                db
            )
            try row.bind(session)
            try row.bind(number)
            try row.bind(end)
            var ratings: [FeedbackID: Rating] = [:]
            while try row.step() {
                if let id = row.feedbackID(0) { ratings[id] = try FeedbackTable.rating(row, 1) }
            }
            return ratings
        }
    }

    /// Returns the size of the changes after a number, in bytes, as ``AcceptedChange/journalBytes``
    /// has it about.
    static func waitingBytes(after number: Int64, _ db: Database) throws -> Int {
        var row = try PreparedStatement(
            """
            SELECT ifnull(sum(256 + octets), 0) FROM (
                SELECT ifnull(length(CAST(comment AS BLOB)), 0) + ifnull(length(attributes), 0)
                    + ifnull(length(tags), 0) AS octets
                FROM feedback NOT INDEXED WHERE sequence > ?1
                UNION ALL
                SELECT length(metadata) FROM session INDEXED BY session_changed WHERE changed > ?1
            )
            """,
            db
        )
        try row.bind(number)
        return try row.step() ? Int(row.integer(0)) : 0
    }

    /// Removes feedback that nobody needs any more, of which no cursor's delivery is left; returns
    /// false if there may be more.
    ///
    /// The last ones are kept for alert rules, which look at so many.
    func purge(upTo number: Int64, before time: Timestamp) async throws -> Bool {
        let removedMax: Int64 = 1_000
        let removed = try await database.read { db in
            var row = try PreparedStatement(
                """
                SELECT sequence FROM feedback NOT INDEXED
                WHERE sequence <= min(?1, (SELECT max(sequence) FROM feedback) - ?2)
                    AND created_at < ?3
                    AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.sequence = feedback.sequence)
                ORDER BY sequence LIMIT ?4
                """,
                db
            )
            try row.bind(number)
            try row.bind(Int64(2 * AlertRule.windowMax))
            try row.bind(time.millisecondsSinceEpoch)
            try row.bind(removedMax)
            var sequences: [Int64] = []
            while try row.step() { sequences.append(row.integer(0)) }
            return sequences
        }
        if let last = removed.last {
            let change: @Sendable (Database) throws -> Void = { db in
                for sequence in removed { try FeedbackTable.delete(sequence, db) }
                try ChangeLogTable.notePurged(last, db)
            }
            try await submit(.changeRows(change), context: CallContext())
        }
        return removed.count < removedMax
    }
}

extension SessionTable {
    /// Returns the first sessions whose metadata were changed after a number, in order.
    static func changes(
        after number: Int64,
        limit: Int,
        _ db: Database
    ) throws -> [WaitingChange] {
        var row = try PreparedStatement(
            """
            SELECT id, session_id, metadata, changed FROM session INDEXED BY session_changed
            WHERE changed > ? ORDER BY changed LIMIT ?
            """,
            db
        )
        try row.bind(number)
        try row.bind(Int64(limit))
        var changes: [WaitingChange] = []
        while try row.step() {
            let metadata = try MetadataJSON.decode(row.text(2))
            changes.append(
                WaitingChange(
                    number: row.integer(3),
                    source: .session(row.integer(0)),
                    change: AcceptedChange(
                        .changeMetadata(sessionID: row.text(1), .merge(metadata)),
                        feedbackID: FeedbackID(high: 0, low: 0),
                        acceptedAt: .now
                    )
                )
            )
        }
        return changes
    }

    /// Forgets a session's metadata, which another store has, unless they have been changed since
    /// the number.
    static func forgetMetadata(_ session: Int64, changed: Int64, _ db: Database) throws {
        var update = try PreparedStatement(
            "UPDATE session SET metadata = '{}' WHERE id = ? AND changed = ?",
            db
        )
        try update.bind(session)
        try update.bind(changed)
        try update.run()
    }
}

extension FeedbackTable {
    /// Deletes a feedback without counting it out.
    static func delete(_ sequence: Int64, _ db: Database) throws {
        var deletion = try PreparedStatement("DELETE FROM feedback WHERE sequence = ?", db)
        try deletion.bind(sequence)
        try deletion.run()
    }
}

extension ChangeLogTable {
    /// Notes that changes up to a number may have been purged.
    static func notePurged(_ number: Int64, _ db: Database) throws {
        var update = try PreparedStatement(
            "UPDATE change_log SET purged = max(purged, ?)",
            db
        )
        try update.bind(number)
        try update.run()
    }
}
