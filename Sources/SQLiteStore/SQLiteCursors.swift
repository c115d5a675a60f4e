import FeedbackCore
import FeedbackModel
import GRDB

/// The cursors in a database.
final class SQLiteCursors: CursorStore {
    private let database: SQLiteDatabase
    private let writes: StoreWrites

    init(database: SQLiteDatabase, writes: StoreWrites) {
        self.database = database
        self.writes = writes
    }

    var epoch: LogEpoch { database.epoch }
    var growth: LogGrowth { database.logGrowth }

    func open(_ name: String, from start: LogStart, spread: Duration) async throws -> CursorRecord {
        try await writes.changeRows { [epoch] db in
            let cursors = CursorTable(db)
            try cursors.insert(name, position: Self.number(of: start, epoch, db))
            let (id, record) = try cursors.find(name)
            let milliseconds = Int64(spread / .milliseconds(1))
            try DeliveryTable(db).beginRun(cursor: id, spreadMilliseconds: milliseconds)
            return record
        }
    }

    func status(of name: String) async throws -> CursorRecord {
        try await database.read { db in
            let cursors = CursorTable(db)
            var (id, record) = try cursors.find(name)
            (record.changesBehind, record.behindSince) = try cursors.behind(record.position)
            record.retryingCount = try DeliveryTable(db).count(.retrying, cursor: id)
            record.deadCount = try DeliveryTable(db).count(.dead, cursor: id)
            return record
        }
    }

    func changes(
        after number: Int64,
        of name: String,
        limit: Int,
        bytesMax: Int
    ) async throws -> CursorBatch {
        try await database.read { db in
            guard try ChangeLogTable.purged(db) <= number else {
                throw CallError(.outOfRange, "changes that follow are no longer kept")
            }
            let found = try FeedbackTable.changes(
                after: number,
                limit: limit,
                bytesMax: bytesMax,
                db
            )
            var changes = found.changes
            let id = try CursorTable(db).find(name).id
            for index in changes.indices {
                let sequence = changes[index].sequence
                changes[index].delivery = try DeliveryTable(db).state(of: sequence, cursor: id)
            }
            // At the end, numbers that stand for no feedback any more have been passed, too.
            let end = try found.end ?? max(number, ChangeNumbers.last(db))
            return CursorBatch(
                changes: changes,
                readUpTo: end,
                isAtEnd: found.end == nil,
                unreadableCount: found.unreadableCount
            )
        }
    }

    func dueDeliveries(
        of name: String,
        at time: Duration,
        limit: Int
    ) async throws -> DueDeliveries {
        let milliseconds = Int64(time / .milliseconds(1))
        return try await database.read { db in
            let id = try CursorTable(db).find(name).id
            return try DeliveryTable(db).due(cursor: id, at: milliseconds, limit: limit)
        }
    }

    func record(_ progress: CursorProgress) async throws {
        try await writes.changeRows { db in
            let cursors = CursorTable(db)
            try cursors.record(progress, of: try cursors.find(progress.name).id)
        }
    }

    func setPaused(_ name: String, _ isPaused: Bool) async throws {
        try await writes.changeRows { db in
            let cursors = CursorTable(db)
            try cursors.setPaused(isPaused, of: try cursors.find(name).id)
        }
    }

    func rewind(_ name: String, to start: LogStart) async throws -> Int64 {
        try await writes.changeRows { [epoch] db in
            let cursors = CursorTable(db)
            let id = try cursors.find(name).id
            let number = try Self.number(of: start, epoch, db)
            var progress = CursorProgress(name: name)
            progress.position = number
            try cursors.record(progress, of: id)
            return number
        }
    }

    func deliveries(
        of name: String?,
        in state: Delivery.State,
        after id: Int64,
        limit: Int,
        bytesMax: Int?
    ) async throws -> (deliveries: [Delivery], totalSize: Int64) {
        try await database.read { db in
            let cursor = try name.map { try CursorTable(db).find($0).id }
            let table = DeliveryTable(db)
            return (
                try table.list(state, cursor: cursor, after: id, limit: limit, bytesMax: bytesMax),
                try table.count(DeliveryTable.State(state), cursor: cursor)
            )
        }
    }

    func retry(_ ids: [Int64]?, of name: String) async throws -> Int64 {
        try await changeAll(ids, of: name) { try $0.retry(ids, cursor: $1, at: .now) }
    }

    func drop(_ ids: [Int64]?, of name: String) async throws -> Int64 {
        try await changeAll(ids, of: name) { try $0.drop(ids, cursor: $1) }
    }

    func tallies(_ queries: [TallyQuery], upTo number: Int64) async throws -> [Tally] {
        try await database.read { db in
            try queries.map { query in
                guard let session = try SessionTable.number(filter: query.sessionID, db) else {
                    return Tally(count: 0, newest: [])
                }
                let total = try CounterTables(db, session: session).total(.always)
                    .total(ratings: query.ratings, hasComment: nil)
                let later = try FeedbackTable.count(
                    query.ratings,
                    ofSession: session,
                    after: number,
                    db
                )
                let newest =
                    query.newestMax == 0
                    ? []
                    : try FeedbackTable.newestRatings(
                        query.newestMax,
                        ofSession: session,
                        upTo: number,
                        db
                    )
                return Tally(count: total - later, newest: newest)
            }
        }
    }

    /// Repeats a change that concerns a limited number of rows until there are no more.
    private func changeAll(
        _ ids: [Int64]?,
        of name: String,
        _ change: @escaping @Sendable (DeliveryTable, _ cursor: Int64) throws -> Int64
    ) async throws -> Int64 {
        var total: Int64 = 0
        while true {
            // Other writes may run in between.
            let count = try await writes.changeRows { db in
                try change(DeliveryTable(db), try CursorTable(db).find(name).id)
            }
            total += count
            if ids != nil || count < DeliveryTable.changedMax { return total }
        }
    }

    private static func number(
        of start: LogStart,
        _ epoch: LogEpoch,
        _ db: Database
    ) throws -> Int64 {
        try epoch.number(
            of: start,
            end: try ChangeNumbers.last(db),
            firstKept: try ChangeLogTable.purged(db)
        )
    }
}
