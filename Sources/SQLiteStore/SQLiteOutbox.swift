import FeedbackCore
import FeedbackModel
import Synchronization

/// The queues of alerts in a database.
struct SQLiteOutbox: AlertOutbox {
    let database: SQLiteDatabase
    let writes: StoreWrites

    func due(of rule: String, at now: Timestamp, limit: Int) async throws -> [QueuedAlert] {
        try await database.read { try AlertTable($0).due(of: rule, at: now, limit: limit) }
    }

    func nextDue(of rule: String) async throws -> Timestamp? {
        try await database.read { try AlertTable($0).nextDue(of: rule) }
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
            // Other writes come between.
            let count = try await write { try $0.retry(ids, at: now) }
            total += count
            if !ids.isEmpty || count < AlertTable.retriedMax { return total }
        }
    }

    /// Makes the changes in a transaction that they may share with other writes.
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
