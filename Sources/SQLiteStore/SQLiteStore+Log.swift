public import FeedbackCore
public import FeedbackModel
import GRDB

extension SQLiteStore {
    /// See ``Store``.
    public func readLog(
        from start: LogStart,
        context: CallContext
    ) async throws -> any LogReader {
        let epoch = database.epoch
        let number = try await database.read(context) { db in
            try epoch.number(
                of: start,
                end: try ChangeNumbers.last(db),
                firstKept: try ChangeLogTable.purged(db)
            )
        }
        let look: LogGrowth.Look = { [database] in
            try await database.read { try ChangeNumbers.last($0) }
        }
        return NumberedLogReader(
            epoch: epoch,
            growth: database.logGrowth,
            after: number,
            look: look
        ) { [database] number, limit, context in
            try await database.read(context) { db in
                guard try ChangeLogTable.purged(db) <= number else {
                    throw CallError(.outOfRange, "changes that follow are no longer kept")
                }
                let changes = try FeedbackTable.changes(
                    after: number,
                    limit: limit,
                    bytesMax: LogPage.bytesMax,
                    db
                )
                let bytes = changes.reduce(0) { $0 + $1.feedback.bytes }
                return NumberedChanges(
                    changes: changes.map { ($0.number, $0.kind, $0.feedback) },
                    end: try ChangeNumbers.last(db),
                    isCut: bytes >= LogPage.bytesMax
                )
            }
        }
    }
}

/// The table `change_log`.
enum ChangeLogTable {
    /// Returns the epoch of the log's numbers.
    ///
    /// A database that was put back from a copy gets a new epoch: positions that were given after the
    /// copy was made would otherwise be taken for those of other changes.
    static func epoch(_ db: Database, of file: FileIdentity) throws -> LogEpoch {
        let row = try PreparedStatement("SELECT epoch, file FROM change_log", db)
        guard try row.step(), let epoch = LogEpoch(row.text(0)) else {
            throw CallError.missingLogRow
        }
        if file.text.isEmpty || row.text(1) == file.text { return epoch }
        let next = row.text(1).isEmpty ? epoch : LogEpoch.random()
        var update = try PreparedStatement("UPDATE change_log SET epoch = ?, file = ?", db)
        try update.bind(next.text)
        try update.bind(file.text)
        try update.run()
        return next
    }

    /// Returns the number up to which changes may have been purged.
    static func purged(_ db: Database) throws -> Int64 {
        let row = try PreparedStatement("SELECT purged FROM change_log", db)
        guard try row.step() else { throw CallError.missingLogRow }
        return row.integer(0)
    }
}

extension FeedbackTable {
    /// Returns the first changes after a number, in order, at most as many as take about `bytesMax`
    /// bytes but at least one; each feedback stands at its last change.
    static func changes(
        after number: Int64,
        limit: Int,
        bytesMax: Int = .max,
        _ db: Database
    ) throws -> [CursorChange] {
        let added = try changes(by: addedSQL, after: number, limit, bytesMax, db)
        let changed = try changes(by: changedSQL, after: number, limit, bytesMax, db)
        // Nearly always nothing has been changed since.
        if changed.changes.isEmpty { return added.changes }
        // What follows the end of either is not known.
        let end = min(added.end, changed.end)
        let all = (added.changes + changed.changes).filter { $0.number <= end }
        return Array(all.sorted { $0.number < $1.number }.prefix(limit))
    }

    /// The statements that find changes; also for tests of their query plans.
    static let addedSQL = """
        SELECT \(columns), \(sessionID), sequence, revision FROM feedback NOT INDEXED
        WHERE sequence > ? AND changed IS NULL ORDER BY sequence LIMIT ?
        """
    static let changedSQL = """
        SELECT \(columns), \(sessionID), changed, revision
        FROM feedback INDEXED BY feedback_changed
        WHERE changed > ? ORDER BY changed LIMIT ?
        """

    /// Returns changes, and the number up to which there is no further one.
    private static func changes(
        by sql: String,
        after number: Int64,
        _ limit: Int,
        _ bytesMax: Int,
        _ db: Database
    ) throws -> (changes: [CursorChange], end: Int64) {
        var row = try PreparedStatement(sql, db)
        try row.bind(number)
        try row.bind(Int64(limit))
        var changes: [CursorChange] = []
        var bytes = 0
        while try row.step() {
            let change = CursorChange(
                number: row.integer(15),
                sequence: row.integer(0),
                kind: row.integer(16) > 1 ? .updated : .added,
                feedback: try feedback(row, sessionID: row.text(14))
            )
            changes.append(change)
            bytes += change.feedback.bytes
            if bytes >= bytesMax { return (changes, change.number) }
        }
        return (changes, changes.count < limit ? .max : changes.last?.number ?? .max)
    }
}
