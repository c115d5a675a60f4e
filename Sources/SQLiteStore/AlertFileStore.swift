public import FeedbackCore
public import FeedbackModel
public import Logging
import Synchronization

/// A store that adds an outbox to another store, in an SQLite file of its own.
///
/// Before a feedback with one of a rule's ratings is stored, an unconfirmed alert is written to the
/// file. It is confirmed after the caller has its answer, when the store has the feedback; alerts
/// that a crash or an ambiguous error leaves unconfirmed are looked up in the store. So no alert is
/// lost, and none is sent about feedback that was not stored.
///
/// ``Alert/totalCount`` counts the feedback that passed through this file: that of one host since a
/// rule with this name exists. A file is used by one process at a time.
public final class AlertFileStore: AlertingStore {
    private struct State {
        var file: SQLiteStore?
        var lock: FileLock?
        var openedAt = ContinuousClock.now
        /// The unconfirmed alerts whose adds are in progress.
        var appending: Set<Int64> = []
        /// The times at which adds ended without a known outcome, by the ids of their alerts.
        var undecidedSince: [Int64: ContinuousClock.Instant] = [:]
        var confirming: Task<Void, Never>?
        /// True if the last attempt to look up feedback in the store failed.
        var isBlind = false
    }

    /// The time after the end of an add after which its feedback, if it cannot be found, counts as
    /// not stored.
    private static let findTimeout = Duration.seconds(60)
    /// The time between two attempts to look up feedback.
    private static let pause = Duration.seconds(2)
    /// The deadline of a read from the store.
    private static let readTimeout = Duration.seconds(5)
    /// The time ranges, in milliseconds before the feedback, in which the feedback of all sessions
    /// is searched; each is tried if the one before holds too little.
    ///
    /// Nil means all time.
    private static let looksBackMilliseconds: [Int64?] = [
        Timestamp.dayMilliseconds, 30 * Timestamp.dayMilliseconds, nil,
    ]

    private let store: any Store
    private let path: @Sendable () throws -> String
    private let logger: Logger
    private let state = Mutex(State())
    private let noAlerts = MemoryOutbox()
    private let wakeup = Wakeup()

    /// Makes a store that only forwards to `store` until ``open()`` is called.
    ///
    /// - Parameters:
    ///   - store: the store that keeps the feedback; it is closed with this one.
    ///   - logger: the destination of warnings.
    ///   - path: returns the path of the file, which is created if it does not exist; called by
    ///     ``open()``.
    public init(
        _ store: any Store,
        logger: Logger,
        path: @escaping @Sendable () throws -> String
    ) {
        self.store = store
        self.path = path
        self.logger = logger
    }

    /// Opens the file unless it is open; without it no alerts can be queued.
    ///
    /// - Throws: a ``CallError`` with the path in its message.
    public func open() throws {
        try state.withLock { state in
            if state.file != nil { return }
            let path = try path()
            let file = try SQLiteStore(path: path, logger: logger)
            state.lock = try FileLock("\(path)-lock")
            state.file = file
            state.openedAt = .now
            state.confirming = Task { [weak self, wakeup] in
                while !Task.isCancelled {
                    let isAnyOpen = await self?.confirmAll() ?? false
                    await wakeup.wait(atMost: isAnyOpen ? Self.pause : nil)
                }
            }
        }
    }

    /// See ``AlertingStore``.
    public var outbox: any AlertOutbox { file?.outbox ?? noAlerts }

    /// See ``Store``.
    public func commit(
        _ change: AcceptedChange,
        context: CallContext
    ) async throws -> ChangeOutcome {
        var plain = change
        plain.alertRules = []
        guard case .add(let draft) = change.change else {
            return try await store.commit(plain, context: context)
        }
        let rules = change.alertRules.filter { $0.ratings.contains(draft.rating) }
        if rules.isEmpty { return try await store.commit(plain, context: context) }
        let feedback = Feedback(
            id: change.feedbackID,
            draft: draft,
            createdAt: change.acceptedAt
        )
        if let reason = context.dropError { throw reason }
        guard let file else {
            throw CallError(.failedPrecondition, "the file of the alerts is not open")
        }
        let ids = try await file.alerts.write { alerts in
            let ids = try rules.compactMap { rule in
                try Alert(rule: rule.name, feedback: feedback, sessionCount: 0, totalCount: 0)
                    .map { try alerts.insert($0, unconfirmed: rule) }
            }
            // The ids are marked before the commit, so that nobody sees the rows without the mark.
            self.state.withLock { $0.appending.formUnion(ids) }
            return ids
        }
        do {
            let outcome = try await store.commit(plain, context: context)
            let isStored = if case .added(let added) = outcome { !added.replayed } else { false }
            await ended(ids, in: file, isStored: isStored)
            return outcome
        } catch {
            let isDecided = (error as? CallError)?.code.meansNothingWasStored ?? false
            await ended(ids, in: file, isStored: isDecided ? false : nil)
            throw error
        }
    }

    /// Handles the end of an add: its alerts are to be confirmed if the feedback is stored, are
    /// deleted if it is not, and are looked up if `isStored` is nil.
    private func ended(_ ids: [Int64], in file: SQLiteStore, isStored: Bool?) async {
        var isOpen = isStored == nil
        if isStored == false {
            do {
                try await file.alerts.write { alerts in
                    for id in ids { try alerts.delete(id) }
                }
            } catch {
                // The rows stay, and are looked up like those with an unknown outcome.
                isOpen = true
            }
        }
        state.withLock { [isOpen] state in
            state.appending.subtract(ids)
            if isOpen { for id in ids { state.undecidedSince[id] = .now } }
        }
        wakeup.signal()
    }

    /// See ``Store``.
    public func close() async {
        let (file, confirming) = state.withLock { ($0.file, $0.confirming) }
        confirming?.cancel()
        await store.close()
        await confirming?.value
        await file?.close()
        state.withLock { state in
            state.file = nil
            state.lock = nil
        }
    }

    private var file: SQLiteStore? { state.withLock { $0.file } }

    // MARK: Confirming

    /// Confirms or deletes the unconfirmed alerts whose adds have ended; returns true if some have
    /// to be looked up again.
    private func confirmAll() async -> Bool {
        guard let file else { return false }
        var isAnyOpen = false
        do {
            var last: Int64 = 0
            while !Task.isCancelled {
                let after = last
                let batch = try await file.database.read {
                    try AlertTable($0).unconfirmed(after: after, limit: 64)
                }
                guard let end = batch.last?.0.id else { break }
                last = end
                var decisions: [Decision] = []
                for (alert, rule) in batch where !isAppending(alert.id) && !Task.isCancelled {
                    if let decision = try await decide(alert, rule) {
                        decisions.append(decision)
                    } else {
                        isAnyOpen = true
                    }
                }
                if decisions.isEmpty { continue }
                try await file.alerts.write { [decisions] alerts in
                    for decision in decisions {
                        if let count = decision.sessionCount {
                            try alerts.confirm(
                                decision.alert,
                                isMet: decision.isMet,
                                sessionCount: count
                            )
                        } else {
                            try alerts.delete(decision.alert.id)
                        }
                    }
                }
                state.withLock { state in
                    for decision in decisions { state.undecidedSince[decision.alert.id] = nil }
                }
            }
            state.withLock { $0.isBlind = false }
        } catch {
            isAnyOpen = true
            // The failure is logged as a warning once, not at each attempt while it lasts.
            let wasBlind = state.withLock { state in
                defer { state.isBlind = true }
                return state.isBlind
            }
            logger.log(level: wasBlind ? .debug : .warning, "alerts wait to be confirmed: \(error)")
        }
        return isAnyOpen
    }

    /// The number of alerts whose adds ended without a known outcome and which are yet to be looked
    /// up.
    var undecidedCount: Int { state.withLock { $0.undecidedSince.count } }

    private func isAppending(_ id: Int64) -> Bool { state.withLock { $0.appending.contains(id) } }

    /// The decision about an unconfirmed alert.
    private struct Decision {
        let alert: QueuedAlert
        var isMet = false
        /// The number of feedbacks with the rule's ratings in the session; nil if the feedback is
        /// not stored.
        var sessionCount: Int64?
    }

    /// Decides about an unconfirmed alert; nil if that is not possible yet.
    private func decide(_ queued: QueuedAlert, _ rule: AlertRule) async throws -> Decision? {
        let alert = queued.alert
        let upToIt = TimeRange(until: alert.createdAt.advanced(byMilliseconds: 1))
        let ofSession = FeedbackQuery(sessionID: alert.sessionID, created: upToIt)
        let metrics = try await store.metrics(
            MetricsQuery(sessionID: alert.sessionID, created: upToIt),
            context: Self.readContext
        ).metrics
        let isRow = if case .inARow = rule.condition { true } else { false }
        let length = isRow ? rule.historyLength : 1
        guard let found = try await find(alert, in: ofSession, length) else {
            let since = state.withLock { $0.undecidedSince[queued.id] ?? $0.openedAt }
            return .now - since > Self.findTimeout ? Decision(alert: queued) : nil
        }
        var history = found.history
        if case .share = rule.condition {
            for milliseconds in Self.looksBackMilliseconds {
                var ofAll = FeedbackQuery(created: upToIt)
                ofAll.filter.created.from = milliseconds.map {
                    alert.createdAt.advanced(byMilliseconds: -$0)
                }
                history = try await find(alert, in: ofAll, rule.historyLength)?.history ?? []
                if history.count >= rule.historyLength { break }
            }
        }
        let count =
            rule.ratings.reduce(0) { $0 + metrics.count(of: $1) }
            - Int64(found.newer.count { rule.ratings.contains($0) })
        return Decision(alert: queued, isMet: rule.isMet(by: history), sessionCount: count)
    }

    private static var readContext: CallContext { CallContext(deadline: .now + readTimeout) }

    /// The alert's feedback in a list of feedback up to its millisecond.
    private struct Found {
        /// The ratings of the feedback that was stored after it in the same millisecond.
        var newer: [Rating] = []
        /// The rating of the feedback and those before it, newest first.
        var history: [Rating] = []
    }

    /// Finds the alert's feedback, and `historyLength` ratings from it backwards, but at least its
    /// own; nil if it is not stored.
    private func find(
        _ alert: Alert,
        in query: FeedbackQuery,
        _ historyLength: Int
    ) async throws -> Found? {
        var query = query
        query.newestFirst = true
        query.pageSize = FieldLimits.pageSizeDefault
        var found = Found()
        repeat {
            let page = try await store.list(query, context: Self.readContext)
            for feedback in page.feedbacks {
                if found.history.isEmpty, feedback.id != alert.feedbackID {
                    found.newer.append(feedback.rating)
                } else {
                    found.history.append(feedback.rating)
                    if found.history.count >= historyLength { return found }
                }
            }
            query.pageToken = page.nextPageToken
            // The order of the list is not strictly that of time, so that a whole page has to be
            // older.
            let isPast = page.feedbacks.first.map { $0.createdAt < alert.createdAt } ?? true
            if found.history.isEmpty, isPast { return nil }
        } while !query.pageToken.isEmpty
        return found.history.isEmpty ? nil : found
    }
}

// The feedback itself is in the other store.
extension AlertFileStore {
    /// See ``Store``.
    public func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        try await store.readLog(from: start, context: context)
    }

    /// See ``Store``.
    public func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage {
        try await store.list(query, context: context)
    }

    /// See ``Store``.
    public func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport {
        try await store.metrics(query, context: context)
    }

    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        try await store.metadata(ofSession: sessionID, context: context)
    }

    /// See ``Store``.
    ///
    /// The file has to serve, too: without it, feedback that a rule selects is refused.
    public func health() async -> StoreHealth {
        let health = await store.health()
        guard health == .serving, let file else { return health }
        return await file.health()
    }
}

extension CallError.Code {
    /// True if an add that ended with this code has stored nothing and will not do so any more.
    fileprivate var meansNothingWasStored: Bool {
        switch self {
        case .invalidArgument, .notFound, .permissionDenied, .resourceExhausted,
            .failedPrecondition:
            true
        default: false
        }
    }
}
