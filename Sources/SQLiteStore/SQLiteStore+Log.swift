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
                let (changes, isCut) = try FeedbackTable.changes(after: number, limit: limit, db)
                return NumberedChanges(
                    changes: changes,
                    end: try ChangeNumbers.last(db),
                    isCut: isCut
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
    /// A change in the log.
    typealias Change = (number: Int64, kind: FeedbackChange.Kind, feedback: Feedback)

    /// Returns the first changes after a number, in order; each feedback stands at its last change.
    ///
    /// `isCut` is true if changes were left out because of ``LogPage/bytesMax``.
    static func changes(
        after number: Int64,
        limit: Int,
        _ db: Database
    ) throws -> (changes: [Change], isCut: Bool) {
        let added = try changes(by: addedSQL, after: number, limit: limit, db)
        let changed = try changes(by: changedSQL, after: number, limit: limit, db)
        // Nearly always nothing has been changed since.
        if changed.changes.isEmpty { return added }
        // Beyond the last change of a part that was cut, some are not known.
        let ends = [added, changed].map { $0.isCut ? $0.changes.last?.number ?? 0 : .max }
        let end = ends.min() ?? .max
        let all = (added.changes + changed.changes).filter { $0.number <= end }
            .sorted { $0.number < $1.number }.prefix(limit)
        var bytes = 0
        let part = all.prefix { change in
            defer { bytes += change.feedback.logBytes }
            return bytes < LogPage.bytesMax
        }
        return (Array(part), added.isCut || changed.isCut || part.count < all.count)
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
        limit: Int,
        _ db: Database
    ) throws -> (changes: [Change], isCut: Bool) {
        var row = try PreparedStatement(sql, db)
        try row.bind(number)
        try row.bind(Int64(limit))
        var changes: [Change] = []
        var bytes = 0
        while try row.step() {
            if bytes >= LogPage.bytesMax { return (changes, true) }
            let feedback = try feedback(row, sessionID: row.text(14))
            bytes += feedback.logBytes
            changes.append(
                (row.integer(15), row.integer(16) > 1 ? .updated : .added, feedback)
            )
        }
        return (changes, false)
    }
}

extension Feedback {
    /// The size that counts for ``LogPage/bytesMax``.
    fileprivate var logBytes: Int { draft.textBytes(perTag: 0, perAttribute: 0) }
}
