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
            let sessions = try SessionTable.changes(
                after: number,
                limit: limit,
                bytesMax: bytesMax,
                db
            )
            // What follows the end of either is not known.
            let known =
                try [found.end, sessions.end].compactMap(\.self).min()
                ?? max(number, ChangeNumbers.last(db))
            return WaitingPage(
                changes: (feedbacks + sessions.changes).filter { $0.number <= known }
                    .sorted { $0.number < $1.number },
                readUpTo: known,
                unreadableCount: found.unreadableCount + sessions.unreadableCount
            )
        }
    }

    /// Returns the number of changes after a number, and the time of the oldest feedback among them;
    /// the number is exact while it is small, as ``CursorTable/behind(_:)`` has it.
    func waiting(after number: Int64) async throws -> (count: Int64, since: Timestamp?) {
        try await database.read { db in
            let (count, since) = try CursorTable(db).behind(number)
            var row = try PreparedStatement(
                "SELECT count(*) FROM session INDEXED BY session_changed WHERE changed > ?",
                db
            )
            try row.bind(number)
            return (count + (try row.step() ? row.integer(0) : 0), since)
        }
    }

    /// Records a replicator's progress, and forgets what the other store has, in one transaction.
    func settle(_ changes: [SettledChange], _ progress: CursorProgress) async throws {
        try await writes.changeRows { db in
            for change in changes {
                switch change {
                case .drop(let sequence): try FeedbackTable.delete(sequence, db)
                case .written(let session, let metadata):
                    try SessionTable.forget(metadata, ofSession: session, db)
                }
            }
            let cursors = CursorTable(db)
            try cursors.record(progress, of: try cursors.find(progress.name).id)
        }
    }

    /// A feedback of a session, as an alert rule needs it.
    struct Rated: Sendable {
        let id: FeedbackID
        let number: Int64
        let rating: Rating
    }

    /// Returns a session's feedback after a number; a damaged rating is read as ``Rating/none``.
    func rated(ofSession sessionID: String, after number: Int64) async throws -> [Rated] {
        try await database.read { db in
            guard let session = try SessionTable.number(sessionID, db) else { return [] }
            var row = try PreparedStatement(
                """
                SELECT feedback_id, sequence, rating FROM feedback INDEXED BY feedback_session
                WHERE session = ? AND sequence > ?
                """,
                db
            )
            try row.bind(session)
            try row.bind(number)
            var rated: [Rated] = []
            while try row.step() {
                guard let id = row.feedbackID(0) else { continue }
                let rating = (try? FeedbackTable.rating(row, 2)) ?? .none
                rated.append(Rated(id: id, number: row.integer(1), rating: rating))
            }
            return rated
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

    /// Removes feedback that nobody needs any more: up to a number, passed by the followers' cursors,
    /// older than a time, and without a delivery; returns true if there is no more.
    ///
    /// The last ones are kept for alert rules, which look at so many.
    func purge(
        upTo number: Int64,
        passedBy followers: Set<String>,
        before time: Timestamp
    ) async throws -> Bool {
        let removedCount = try await writes.changeRows { db in
            let positions = try followers.compactMap { try CursorTable(db).position(of: $0) }
            let removable = try FeedbackTable.removable(
                upTo: min(number, positions.min() ?? .max),
                before: time,
                limit: Self.purgedMax,
                db
            )
            for sequence in removable { try FeedbackTable.delete(sequence, db) }
            if let last = removable.last { try ChangeLogTable.notePurged(last, db) }
            return removable.count
        }
        return removedCount < Self.purgedMax
    }

    /// The maximum number of feedbacks that one transaction removes.
    private static let purgedMax = 1_000
}

extension SessionTable {
    /// Sessions whose metadata were changed.
    struct Changes {
        var changes: [WaitingChange] = []
        /// The number up to which sessions have been read; nil if there is no further one.
        var end: Int64?
        /// The number of sessions whose metadata are damaged.
        var unreadableCount: Int64 = 0
    }

    /// Returns the first sessions whose metadata were changed after a number, in order.
    static func changes(
        after number: Int64,
        limit: Int,
        bytesMax: Int,
        _ db: Database
    ) throws -> Changes {
        var row = try PreparedStatement(
            """
            SELECT id, session_id, metadata, changed FROM session INDEXED BY session_changed
            WHERE changed > ? ORDER BY changed LIMIT ?
            """,
            db
        )
        try row.bind(number)
        try row.bind(Int64(limit))
        var found = Changes()
        var (rows, bytes) = (0, 0)
        while try row.step() {
            rows += 1
            let json = row.text(2)
            bytes += json.utf8.count
            if let metadata = try? MetadataJSON.decode(json) {
                let change = Change.changeMetadata(sessionID: row.text(1), .merge(metadata))
                found.changes.append(
                    WaitingChange(
                        number: row.integer(3),
                        source: .session(row.integer(0), metadata),
                        change: AcceptedChange(
                            change,
                            feedbackID: FeedbackID(high: 0, low: 0),
                            acceptedAt: .now
                        )
                    )
                )
            } else {
                found.unreadableCount += 1
            }
            if rows == limit || bytes >= bytesMax {
                found.end = row.integer(3)
                break
            }
        }
        return found
    }

    /// Takes keys that another store has, with these values, out of a session's metadata.
    static func forget(_ written: Metadata, ofSession session: Int64, _ db: Database) throws {
        var row = try PreparedStatement("SELECT metadata FROM session WHERE id = ?", db)
        try row.bind(session)
        guard try row.step(), var metadata = try? MetadataJSON.decode(row.text(0)) else { return }
        for (key, value) in written where metadata[key] == value { metadata[key] = nil }
        var update = try PreparedStatement("UPDATE session SET metadata = ? WHERE id = ?", db)
        try update.bind(try MetadataJSON.encode(metadata))
        try update.bind(session)
        try update.run()
    }
}

extension FeedbackTable {
    /// Returns the sequences of feedback that can be removed from a journal, in order.
    static func removable(
        upTo number: Int64,
        before time: Timestamp,
        limit: Int,
        _ db: Database
    ) throws -> [Int64] {
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
        try row.bind(Int64(limit))
        var sequences: [Int64] = []
        while try row.step() { sequences.append(row.integer(0)) }
        return sequences
    }

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
