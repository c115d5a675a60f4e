import FeedbackCore
import FeedbackModel
import Logging
import Synchronization

/// The cursors on a journal, which see no change before the other store has it.
///
/// A session's feedback is counted in the other store, where other programs write, too; that of all
/// sessions is what the journal has counted since it was made.
struct JournalCursors: CursorStore {
    let store: JournaledStore
    let journal: SQLiteStore
    private var own: any CursorStore { journal.cursors }

    init(_ store: JournaledStore, _ journal: SQLiteStore) {
        self.store = store
        self.journal = journal
    }

    var epoch: LogEpoch { own.epoch }
    var growth: LogGrowth { own.growth }

    /// The number up to which the other store has all changes.
    private var replicated: Int64 { store.state.withLock { $0.replicator?.position } ?? .max }

    func open(_ name: String, from start: LogStart, spread: Duration) async throws -> CursorRecord {
        var record = try await own.open(name, from: start, spread: spread)
        let purged = try await journal.database.read { try ChangeLogTable.purged($0) }
        if record.position < purged {
            store.logger.warning(
                "changes that a destination has not seen are no longer kept: it was not configured",
                metadata: ["destination": "\(name)"]
            )
            record.position = try await own.rewind(name, to: .beginning)
        }
        return record
    }

    func changes(
        after number: Int64,
        of name: String,
        limit: Int,
        bytesMax: Int
    ) async throws -> CursorBatch {
        let end = replicated
        guard number < end else {
            return CursorBatch(changes: [], readUpTo: number, isAtEnd: true)
        }
        var batch = try await own.changes(after: number, of: name, limit: limit, bytesMax: bytesMax)
        guard batch.readUpTo > end else { return batch }
        // The growth of the journal is signalled when the other store has more.
        batch.changes.removeAll { $0.number > end }
        batch.readUpTo = end
        batch.isAtEnd = true
        // They may stand after the end, and are counted when the cursor comes there.
        batch.unreadableCount = 0
        return batch
    }

    func tallies(_ queries: [TallyQuery], upTo number: Int64) async throws -> [Tally] {
        let all = try await own.tallies(queries, upTo: number)
        var tallies: [Tally] = []
        for (query, ofJournal) in zip(queries, all) {
            if let sessionID = query.sessionID {
                tallies.append(try await tally(query, ofSession: sessionID, upTo: number))
            } else {
                tallies.append(ofJournal)
            }
        }
        return tallies
    }

    /// Counts in the other store, without the feedback that the journal has after the number.
    private func tally(
        _ query: TallyQuery,
        ofSession sessionID: String,
        upTo number: Int64
    ) async throws -> Tally {
        let context = CallContext(deadline: .now + store.limits.findTimeout)
        let metrics = try await store.other.store.metrics(
            MetricsQuery(sessionID: sessionID),
            context: context
        ).metrics
        let end = replicated
        let later = try await journal.rated(ofSession: sessionID, after: number)
        let laterIDs = Set(later.map(\.id))
        let total = query.ratings.reduce(0) { $0 + metrics.count(of: $1) }
        // What is being written at this moment is counted or not.
        let laterCount = later.count { $0.number <= end && query.ratings.contains($0.rating) }
        var tally = Tally(count: max(0, total - Int64(laterCount)), newest: [])
        var list = FeedbackQuery(sessionID: sessionID, newestFirst: true)
        while tally.newest.count < query.newestMax {
            list.pageSize = min(query.newestMax + later.count, FieldLimits.pageSizeMax)
            let page = try await store.other.store.list(list, context: context)
            let earlier = page.feedbacks.filter { $0.id.map { !laterIDs.contains($0) } ?? true }
            tally.newest += earlier.prefix(query.newestMax - tally.newest.count).map(\.rating)
            list.pageToken = page.nextPageToken
            if list.pageToken.isEmpty { break }
        }
        return tally
    }

    func status(of name: String) async throws -> CursorRecord { try await own.status(of: name) }

    func dueDeliveries(
        of name: String,
        at time: Duration,
        limit: Int
    ) async throws -> DueDeliveries {
        try await own.dueDeliveries(of: name, at: time, limit: limit)
    }

    func record(_ progress: CursorProgress) async throws { try await own.record(progress) }

    func setPaused(_ name: String, _ isPaused: Bool) async throws {
        try await own.setPaused(name, isPaused)
    }

    func rewind(_ name: String, to start: LogStart) async throws -> Int64 {
        try await own.rewind(name, to: start)
    }

    func deliveries(
        of name: String?,
        in state: Delivery.State,
        after id: Int64,
        limit: Int,
        bytesMax: Int?
    ) async throws -> (deliveries: [Delivery], totalSize: Int64) {
        try await own.deliveries(of: name, in: state, after: id, limit: limit, bytesMax: bytesMax)
    }

    func retry(_ ids: [Int64]?, of name: String) async throws -> Int64 {
        try await own.retry(ids, of: name)
    }

    func drop(_ ids: [Int64]?, of name: String) async throws -> Int64 {
        try await own.drop(ids, of: name)
    }
}
