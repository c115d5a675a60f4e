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
                let found = try FeedbackTable.changes(
                    after: number,
                    limit: limit,
                    bytesMax: LogPage.bytesMax,
                    db
                )
                // A reader must not take it that it has seen everything.
                guard found.unreadableCount == 0 else { throw CallError.unreadable }
                return NumberedChanges(
                    changes: found.changes.map { ($0.number, $0.kind, $0.feedback) },
                    end: try ChangeNumbers.last(db),
                    isCut: found.end != nil
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
    /// Some changes of the log.
    struct Changes {
        var changes: [CursorChange] = []
        /// The number up to which the log has been read; nil if there is no further change.
        var end: Int64?
        /// The number of changes whose feedback is damaged.
        var unreadableCount: Int64 = 0
    }

    /// Returns the first changes after a number, in order, at most as many as take about `bytesMax`
    /// bytes, each feedback at its last change; damaged ones are passed over.
    static func changes(
        after number: Int64,
        limit: Int,
        bytesMax: Int,
        _ db: Database
    ) throws -> Changes {
        let added = try changes(by: addedSQL, after: number, limit, bytesMax, db)
        let changed = try changes(by: changedSQL, after: number, limit, bytesMax, db)
        // Nearly always nothing has been changed since.
        if changed.changes.isEmpty, changed.end == nil, changed.unreadableCount == 0 {
            return added
        }
        // What follows the end of either is not known.
        var merged = Changes()
        merged.end = [added.end, changed.end].compactMap(\.self).min()
        merged.changes = (added.changes + changed.changes)
            .filter { $0.number <= merged.end ?? .max }.sorted { $0.number < $1.number }
        merged.unreadableCount = added.unreadableCount + changed.unreadableCount
        var bytes = 0
        let part = merged.changes.prefix(limit).prefix { change in
            defer { bytes += change.feedback.bytes }
            return bytes < bytesMax
        }
        if part.count < merged.changes.count {
            merged.changes = Array(part)
            merged.end = part.last?.number
        }
        return merged
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

    private static func changes(
        by sql: String,
        after number: Int64,
        _ limit: Int,
        _ bytesMax: Int,
        _ db: Database
    ) throws -> Changes {
        var row = try PreparedStatement(sql, db)
        try row.bind(number)
        try row.bind(Int64(limit))
        var found = Changes()
        var (rows, bytes) = (0, 0)
        while try row.step() {
            rows += 1
            let number = row.integer(15)
            if let feedback = try? feedback(row, sessionID: row.text(14)) {
                let change = CursorChange(
                    number: number,
                    sequence: row.integer(0),
                    kind: row.integer(16) > 1 ? .updated : .added,
                    feedback: feedback
                )
                found.changes.append(change)
                bytes += feedback.bytes
            } else {
                found.unreadableCount += 1
            }
            if rows == limit || bytes >= bytesMax {
                found.end = number
                break
            }
        }
        return found
    }
}
