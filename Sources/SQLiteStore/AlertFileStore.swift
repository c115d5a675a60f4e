public import FeedbackCore
public import FeedbackModel
public import Logging
import Synchronization

/// Queues alerts for a store that cannot: in an SQLite file beside it.
///
/// Before a feedback of a rule's ratings is stored, an unconfirmed alert goes to the file. It is
/// confirmed when the store has the feedback, after the caller has its answer; what a crash or an
/// unclear error leaves unconfirmed is looked up. So no alert is lost, and none is told of feedback
/// that was not stored.
///
/// ``Alert/totalCount`` counts what came through this file: one host's feedback since the rule has
/// its name. One process at a time uses a file.
public final class AlertFileStore: AlertingStore {
    private struct State {
        var file: SQLiteStore?
        var lock: FileLock?
        var openedAt = ContinuousClock.now
        /// The unconfirmed alerts whose appends are under way.
        var appending: Set<Int64> = []
        /// When the appends ended of which it is not known whether they have stored anything.
        var undecidedSince: [Int64: ContinuousClock.Instant] = [:]
        var confirming: Task<Void, Never>?
        /// Whether the last look into the store failed.
        var isBlind = false
    }

    /// What is not found so long after its call was not stored, whatever became of that.
    private static let findTimeout = Duration.seconds(60)
    /// How long to wait before what is open is looked up again.
    private static let pause = Duration.seconds(2)
    /// How long one look into the store may take.
    private static let readTimeout = Duration.seconds(5)
    /// How far back a share of all sessions is looked for, more and more until it is found.
    private static let looksBackMilliseconds: [Int64?] = [
        Timestamp.dayMilliseconds, 30 * Timestamp.dayMilliseconds, nil,
    ]

    private let store: any Store
    private let path: @Sendable () throws -> String
    private let logger: Logger
    private let state = Mutex(State())
    private let noAlerts = MemoryOutbox()
    private let wakeUp = WakeUp()

    /// Makes a store that is the other one until ``open()``.
    ///
    /// - Parameters:
    ///   - store: has the feedback; it is closed with this one.
    ///   - logger: is told of troubles.
    ///   - path: where the file is, or will be made; asked by ``open()``.
    public init(
        _ store: any Store,
        logger: Logger,
        path: @escaping @Sendable () throws -> String
    ) {
        self.store = store
        self.path = path
        self.logger = logger
    }

    /// Opens the file, unless it is open; without it no alerts can be queued.
    ///
    /// - Throws: a ``FeedbackError`` with the path in its message.
    public func open() throws {
        try state.withLock { state in
            if state.file != nil { return }
            let path = try path()
            let file = try SQLiteStore(path: path, logger: logger)
            state.lock = try FileLock("\(path)-lock")
            state.file = file
            state.openedAt = .now
            state.confirming = Task { [weak self, wakeUp] in
                while !Task.isCancelled {
                    let isAnyOpen = await self?.confirmAll() ?? false
                    await wakeUp.wait(atMost: isAnyOpen ? Self.pause : nil)
                }
            }
        }
    }

    /// See ``AlertingStore``.
    public var outbox: any AlertOutbox { file?.outbox ?? noAlerts }

    /// See ``AlertingStore``.
    public func append(
        _ feedback: Feedback,
        alerting rules: [AlertRule],
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback {
        let rules = rules.filter { $0.ratings.contains(feedback.rating) }
        guard !rules.isEmpty else {
            return try await store.append(
                feedback,
                missingSession: missingSession,
                context: context
            )
        }
        if let reason = context.reasonToDrop { throw reason }
        guard let file else {
            throw FeedbackError(.failedPrecondition, "the file of the alerts is not open")
        }
        let ids = try await file.alerts.write { alerts in
            let ids = try rules.compactMap { rule in
                try Alert(rule: rule.name, feedback: feedback, sessionCount: 0, totalCount: 0)
                    .map { try alerts.insert($0, unconfirmed: rule) }
            }
            // Before anyone sees the rows.
            self.state.withLock { $0.appending.formUnion(ids) }
            return ids
        }
        do {
            let added = try await store.append(
                feedback,
                missingSession: missingSession,
                context: context
            )
            await ended(ids, in: file, isStored: !added.replayed)
            return added
        } catch {
            let isDecided = (error as? FeedbackError)?.code.meansNothingWasStored ?? false
            await ended(ids, in: file, isStored: isDecided ? false : nil)
            throw error
        }
    }

    /// Lets alerts be confirmed, or removes them; nil is for what has to be found out.
    private func ended(_ ids: [Int64], in file: SQLiteStore, isStored: Bool?) async {
        var isOpen = isStored == nil
        if isStored == false {
            do {
                try await file.alerts.write { alerts in
                    for id in ids { try alerts.delete(id) }
                }
            } catch {
                // They are looked up like those of which nothing is known.
                isOpen = true
            }
        }
        state.withLock { [isOpen] state in
            state.appending.subtract(ids)
            if isOpen { for id in ids { state.undecidedSince[id] = .now } }
        }
        wakeUp.signal()
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

    /// Finds out what became of the unconfirmed alerts whose appends have ended; true if some have
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
            // Said once, not at each look while it lasts.
            let wasBlind = state.withLock { state in
                defer { state.isBlind = true }
                return state.isBlind
            }
            logger.log(level: wasBlind ? .debug : .warning, "alerts wait to be confirmed: \(error)")
        }
        return isAnyOpen
    }

    /// How many alerts are waited for whose appends ended without a clear outcome.
    var undecidedCount: Int { state.withLock { $0.undecidedSince.count } }

    private func isAppending(_ id: Int64) -> Bool { state.withLock { $0.appending.contains(id) } }

    /// What is to become of an unconfirmed alert.
    private struct Decision {
        let alert: QueuedAlert
        var isMet = false
        /// How many of the rule's ratings the session has had; nil if the feedback is not stored.
        var sessionCount: Int64?
    }

    /// Nil if it cannot be decided yet.
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
                ofAll.created.from = milliseconds.map {
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
        /// The ratings of the same millisecond that came after it.
        var newer: [Rating] = []
        /// Its own and those before, newest first.
        var history: [Rating] = []
    }

    /// Finds the alert's feedback and so many ratings from it backwards, at least its own; nil if
    /// it is not there.
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
            // The order is not strictly that of time, so a whole page has to be past it.
            let isPast = page.feedbacks.first.map { $0.createdAt < alert.createdAt } ?? true
            if found.history.isEmpty, isPast { return nil }
        } while !query.pageToken.isEmpty
        return found.history.isEmpty ? nil : found
    }
}

// The feedback itself is the other store's.
extension AlertFileStore {
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
    public func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> Metadata {
        try await store.changeMetadata(
            ofSession: sessionID,
            by: change,
            missingSession: missingSession,
            context: context
        )
    }

    /// See ``Store``.
    ///
    /// Without the file, feedback that is to be told is refused.
    public func health() async -> StoreHealth {
        let health = await store.health()
        guard health == .serving, let file else { return health }
        return await file.health()
    }
}

extension FeedbackError.Code {
    /// Whether an append that ended so has stored nothing, and will not any more.
    fileprivate var meansNothingWasStored: Bool {
        switch self {
        case .invalidArgument, .notFound, .permissionDenied, .resourceExhausted,
            .failedPrecondition:
            true
        default: false
        }
    }
}
