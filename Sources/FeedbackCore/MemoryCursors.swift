internal import FeedbackModel
internal import Synchronization

/// The cursors of a ``MemoryStore``.
struct MemoryCursors: CursorStore {
    /// The cursors with their deliveries.
    final class Table: Sendable {
        fileprivate let state = Mutex(State())
    }

    fileprivate struct Row {
        var id: Int64
        var state: Delivery.State
        var attempts: DeliveryAttempts
        var nextAt: Timestamp?
        var due = Duration.zero
        var error = ""
    }

    fileprivate struct Entry {
        var record: CursorRecord
        /// The deliveries by the number of their feedback.
        var rows: [Int64: Row] = [:]
    }

    fileprivate struct State {
        var cursors: [ExactText: Entry] = [:]
        var lastID: Int64 = 0

        func entry(_ name: String) throws(CallError) -> Entry {
            guard let entry = cursors[ExactText(name)] else {
                throw CallError.unknownDestination
            }
            return entry
        }
    }

    let table: Table
    let epoch: LogEpoch
    let growth: LogGrowth
    /// Returns all feedback in order; the number of each is its place, from 1 on.
    let feedbacks: @Sendable () throws -> [Feedback]

    func open(_ name: String, from start: LogStart, spread: Duration) async throws -> CursorRecord {
        let number = try number(of: start)
        return table.state.withLock { state in
            var entry =
                state.cursors[ExactText(name)] ?? Entry(record: CursorRecord(position: number))
            for sequence in entry.rows.keys {
                entry.rows[sequence]?.due = spread * Double.random(in: 0...1)
            }
            state.cursors[ExactText(name)] = entry
            return entry.record
        }
    }

    func status(of name: String) async throws -> CursorRecord {
        let all = try feedbacks()
        let entry = try table.state.withLock { try $0.entry(name) }
        var record = entry.record
        let rest = all.dropFirst(Int(record.position))
        record.changesBehind = Int64(rest.count)
        record.behindSince = rest.first?.updatedAt
        record.retryingCount = Int64(entry.rows.values.count { $0.state == .retrying })
        record.deadCount = Int64(entry.rows.values.count { $0.state == .dead })
        return record
    }

    func changes(
        after number: Int64,
        of name: String,
        limit: Int,
        bytesMax: Int
    ) async throws -> CursorBatch {
        let all = try feedbacks()
        let entry = try table.state.withLock { try $0.entry(name) }
        var changes: [CursorChange] = []
        var bytes = 0
        for (feedback, number) in zip(all.dropFirst(Int(number)), (number + 1)...) {
            if changes.count == limit || bytes >= bytesMax { break }
            bytes += feedback.bytes
            changes.append(change(number, feedback, entry.rows[number]?.state))
        }
        let readUpTo = number + Int64(changes.count)
        return CursorBatch(
            changes: changes,
            readUpTo: readUpTo,
            isAtEnd: readUpTo == Int64(all.count)
        )
    }

    func dueDeliveries(
        of name: String,
        at time: Duration,
        limit: Int
    ) async throws -> DueDeliveries {
        let all = try feedbacks()
        let rows = try table.state.withLock { try $0.entry(name) }.rows
            .filter { $0.value.state == .retrying }.sorted { $0.value.due < $1.value.due }
        let due = rows.prefix { $0.value.due <= time }.prefix(limit)
        return DueDeliveries(
            deliveries: due.map { sequence, row in
                (change(sequence, all[Int(sequence) - 1], .retrying), row.attempts)
            },
            next: rows.dropFirst(due.count).first?.value.due
        )
    }

    func record(_ progress: CursorProgress) async throws {
        try change(progress.name) { entry, state in
            entry.record.position = progress.position ?? entry.record.position
            entry.record.skippedCount += progress.skippedCount
            entry.record.lastError = progress.lastError ?? entry.record.lastError
            for outcome in progress.outcomes {
                let former = entry.rows[outcome.sequence]?.id
                if former == nil { state.lastID += 1 }
                entry.rows[outcome.sequence] = Row(former ?? state.lastID, outcome.next)
            }
        }
    }

    func setPaused(_ name: String, _ isPaused: Bool) async throws {
        try change(name) { entry, _ in entry.record.isPaused = isPaused }
    }

    func rewind(_ name: String, to start: LogStart) async throws -> Int64 {
        let number = try number(of: start)
        try change(name) { entry, _ in entry.record.position = number }
        return number
    }

    func deliveries(
        of name: String?,
        in state: Delivery.State,
        after id: Int64,
        limit: Int,
        bytesMax: Int?
    ) async throws -> (deliveries: [Delivery], totalSize: Int64) {
        let all = try feedbacks()
        let cursors = table.state.withLock { $0.cursors }
        if let name { _ = try table.state.withLock { try $0.entry(name) } }
        var deliveries: [Delivery] = []
        for (key, entry) in cursors where name.map(ExactText.init) ?? key == key {
            for (sequence, row) in entry.rows where row.state == state {
                let feedback = all[Int(sequence) - 1]
                deliveries.append(
                    Delivery(
                        id: String(row.id),
                        destination: key.text,
                        feedbackID: feedback.id,
                        sessionID: feedback.sessionID,
                        state: state,
                        attempts: row.attempts.count,
                        firstAttemptAt: row.attempts.firstAt,
                        nextAttemptAt: row.nextAt,
                        lastError: row.error,
                        feedback: bytesMax == nil ? nil : feedback
                    )
                )
            }
        }
        let rest = deliveries.map { (Int64($0.id) ?? 0, $0) }
            .filter { $0.0 > id }.sorted { $0.0 < $1.0 }.map(\.1)
        return (Array(rest.prefix(limit)), Int64(deliveries.count))
    }

    func retry(_ ids: [Int64]?, of name: String) async throws -> Int64 {
        try change(name) { entry, _ in
            let selected = entry.rows.filter { $0.value.isSelected(by: ids) }
            for (sequence, row) in selected {
                let attempts = row.state == .dead ? 0 : row.attempts.count
                entry.rows[sequence]?.attempts.count = attempts
                entry.rows[sequence]?.attempts.waited = .zero
                entry.rows[sequence]?.state = .retrying
                entry.rows[sequence]?.due = .zero
                entry.rows[sequence]?.nextAt = .now
            }
            return Int64(selected.count)
        }
    }

    func drop(_ ids: [Int64]?, of name: String) async throws -> Int64 {
        try change(name) { entry, _ in
            let before = entry.rows.count
            entry.rows = entry.rows.filter { !$0.value.isSelected(by: ids) }
            return Int64(before - entry.rows.count)
        }
    }

    func tallies(_ queries: [TallyQuery], upTo number: Int64) async throws -> [Tally] {
        let all = try feedbacks().prefix(Int(number))
        return queries.map { query in
            let session = query.sessionID.map(ExactText.init)
            let ratings = all.filter { session == nil || ExactText($0.sessionID) == session }
                .map(\.rating)
            return Tally(
                count: Int64(ratings.count { query.ratings.contains($0) }),
                newest: Array(ratings.suffix(query.newestMax).reversed())
            )
        }
    }

    private func change(
        _ number: Int64,
        _ feedback: Feedback,
        _ state: Delivery.State?
    ) -> CursorChange {
        CursorChange(
            number: number,
            sequence: number,
            kind: .added,
            feedback: feedback,
            delivery: state
        )
    }

    private func number(of start: LogStart) throws -> Int64 {
        try epoch.number(of: start, end: Int64(try feedbacks().count), firstKept: 0)
    }

    private func change<Value: Sendable>(
        _ name: String,
        _ body: (inout Entry, inout State) throws -> Value
    ) throws -> Value {
        defer { growth.signal() }
        return try table.state.withLock { state in
            var entry = try state.entry(name)
            defer { state.cursors[ExactText(name)] = entry }
            return try body(&entry, &state)
        }
    }
}

extension MemoryCursors.Row {
    /// Makes the row of a delivery; nil if the delivery has ended.
    fileprivate init?(_ id: Int64, _ next: CursorProgress.Outcome.Next) {
        switch next {
        case .ended: return nil
        case .retrying(let due, let at, let error, let attempts):
            self.init(
                id: id,
                state: .retrying,
                attempts: attempts,
                nextAt: at,
                due: due,
                error: error
            )
        case .dead(let error, let attempts):
            self.init(id: id, state: .dead, attempts: attempts, error: error)
        }
    }

    /// Returns true if a request with these ids, or for all dead letters, is about the delivery.
    fileprivate func isSelected(by ids: [Int64]?) -> Bool {
        ids.map { $0.contains(id) } ?? (state == .dead)
    }
}
