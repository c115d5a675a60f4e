import FeedbackCore
import FeedbackModel
import Synchronization

/// The outbox in a database.
final class SQLiteOutbox: AlertOutbox {
    private let database: SQLiteDatabase
    private let writes: StoreWrites
    /// For each rule, an id below which it has no untried alert and will never have one: rows of
    /// other rules are not searched again.
    private let untriedFrom = Mutex<[ExactText: Int64]>([:])

    init(database: SQLiteDatabase, writes: StoreWrites) {
        self.database = database
        self.writes = writes
    }

    func due(of rule: String, at now: Timestamp, limit: Int) async throws -> [QueuedAlert] {
        let known = untriedFrom.withLock { $0[ExactText(rule)] ?? 0 }
        return try await database.read { [self] db in
            let from = try UntriedOutbox(db: db).begin(of: rule, from: known)
            untriedFrom.withLock { $0[ExactText(rule)] = max($0[ExactText(rule)] ?? 0, from) }
            return try AlertTable(db).due(of: rule, at: now, untriedFrom: from, limit: limit)
        }
    }

    func nextDue(of rule: String) async throws -> Timestamp? {
        let from = untriedFrom.withLock { $0[ExactText(rule)] ?? 0 }
        return try await database.read { try AlertTable($0).nextDue(of: rule, untriedFrom: from) }
    }

    func settle(_ outcomes: [AlertOutcome]) async throws {
        if outcomes.isEmpty { return }
        try await write { alerts in
            for outcome in outcomes { try alerts.settle(outcome) }
        }
    }

    func list(
        dead: Bool,
        after id: Int64,
        limit: Int
    ) async throws -> (alerts: [QueuedAlert], totalSize: Int64) {
        try await database.read { db in
            let alerts = AlertTable(db)
            let state: AlertTable.State = dead ? .dead : .pending
            return (
                try alerts.list(state, after: id, limit: limit), try alerts.count(state)
            )
        }
    }

    func retry(_ ids: [Int64], at now: Timestamp) async throws -> Int {
        var total = 0
        while true {
            // Other writes may run in between.
            let count = try await write { try $0.retry(ids, at: now) }
            total += count
            if !ids.isEmpty || count < AlertTable.retriedMax { return total }
        }
    }

    /// Makes the changes in a transaction, which they may share with other writes.
    func write<T: Sendable>(
        _ change: @escaping @Sendable (AlertTable) throws -> T
    ) async throws -> T {
        let result = Mutex<T?>(nil)
        let write = StoreWrite.changeAlerts { alerts in
            let value = try change(alerts)
            result.withLock { $0 = value }
        }
        _ = try await writes.submit(write, context: CallContext())
        guard let value = result.withLock({ $0 }) else {
            preconditionFailure("what is committed was made")
        }
        return value
    }
}
