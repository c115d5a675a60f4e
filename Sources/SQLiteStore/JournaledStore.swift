public import FeedbackCore
public import FeedbackModel
public import Logging
import Synchronization

/// A store with a journal beside it: an SQLite store of its own, whose log has the feedback that this
/// process added, for the cursors that follow it.
///
/// A feedback stands in the journal first, as an intent that no cursor sees; then the other store is
/// asked; then the intent becomes an entry of the journal's log, or is dropped. What a crash or an
/// ambiguous error leaves open is looked up in the other store: there, it is confirmed; not there, it
/// is dropped once it cannot be written any more. So nothing is delivered that the other store does
/// not have, and nothing is left out that it has.
///
/// A journal is used by one process at a time.
public final class JournaledStore: Store {
    /// Returns true if the other store has the feedback.
    public typealias Find = @Sendable (Feedback, CallContext) async throws -> Bool

    private struct State {
        var journal: SQLiteStore?
        var lock: FileLock?
        /// The intents whose adds are in progress.
        var inProgress: Set<FeedbackID> = []
        /// The times at which adds ended without a known outcome; an intent without one was found
        /// when the journal was opened.
        var endedAt: [FeedbackID: ContinuousClock.Instant] = [:]
        var openedAt = ContinuousClock.now
        var resolution: Task<Void, Never>?
        /// True if the last attempt to look up intents failed.
        var isBlind = false
    }

    /// The limits of a journal.
    struct Limits: Sendable {
        /// The time after the end of an add from which on it cannot be written any more.
        ///
        /// Its intent is then dropped if the other store does not have it. A command that a server
        /// has begun ends before that, since its connection is closed.
        var dropTimeout = Duration.seconds(60)
        /// The interval between two attempts to look up intents.
        var pause = Duration.seconds(1)
        /// The deadline of a lookup.
        var findTimeout = Duration.seconds(5)
        /// The maximum number of intents whose outcome is open.
        var openMax = 10_000
    }

    private let store: any Store
    private let find: Find
    private let path: @Sendable () throws -> String
    private let limits: Limits
    private let logger: Logger
    private let state = Mutex(State())
    private let wakeup = Wakeup()

    /// Makes a store that only forwards to `store` until ``open()`` is called.
    ///
    /// - Parameters:
    ///   - store: the store that keeps the feedback; it is closed with this one.
    ///   - logger: the destination of warnings.
    ///   - path: returns the path of the journal, which is created if it does not exist; called by
    ///     ``open()``.
    ///   - find: looks a feedback up in `store`, among what cannot be lost any more.
    public convenience init(
        _ store: any Store,
        logger: Logger,
        path: @escaping @Sendable () throws -> String,
        find: @escaping Find
    ) {
        self.init(store, limits: Limits(), logger: logger, path: path, find: find)
    }

    init(
        _ store: any Store,
        limits: Limits,
        logger: Logger,
        path: @escaping @Sendable () throws -> String,
        find: @escaping Find
    ) {
        self.store = store
        self.limits = limits
        self.logger = logger
        self.path = path
        self.find = find
    }

    /// Opens the journal unless it is open.
    ///
    /// - Throws: a ``CallError`` with the path in its message.
    public func open() throws {
        try state.withLock { state in
            if state.journal != nil { return }
            let path = try path()
            let journal = try SQLiteStore(path: path, logger: logger)
            state.lock = try FileLock("\(path)-lock")
            state.journal = journal
            state.openedAt = .now
            state.resolution = Task { [weak self, wakeup, limits] in
                while !Task.isCancelled {
                    let isAnyOpen = await self?.resolve(in: journal) ?? false
                    await wakeup.wait(atMost: isAnyOpen ? limits.pause : nil)
                }
            }
        }
    }

    /// The journal; nil until it is open.
    var journal: SQLiteStore? { state.withLock { $0.journal } }

    /// See ``Store``.
    ///
    /// - Throws: also RESOURCE_EXHAUSTED if the outcome of too many adds is open.
    public func commit(
        _ change: AcceptedChange,
        context: CallContext
    ) async throws -> ChangeOutcome {
        guard case .add(let draft) = change.change, let journal else {
            return try await store.commit(change, context: context)
        }
        // While the other store is away, nothing is left that would have to be looked up.
        if case .notServing(let reason) = await store.health() {
            throw CallError(.unavailable, reason)
        }
        let id = change.feedbackID
        let mayBegin = state.withLock { state in
            guard state.endedAt.count < limits.openMax else { return false }
            state.inProgress.insert(id)
            return true
        }
        guard mayBegin else {
            throw CallError(
                .resourceExhausted,
                "the outcome of \(limits.openMax) adds is open: they are being looked up"
            )
        }
        do {
            let feedback = Feedback(id: id, draft: draft, createdAt: change.acceptedAt)
            try await journal.submit(.changeRows { try IntentTable.insert(feedback, $0) }, context: context)
        } catch {
            state.withLock { _ = $0.inProgress.remove(id) }
            throw error
        }
        do {
            let outcome = try await store.commit(change, context: context)
            let isStored = if case .added(let added) = outcome { !added.replayed } else { false }
            await settle(id, isStored: isStored, in: journal)
            return outcome
        } catch {
            if (error as? CallError)?.code.meansNothingWasStored == true {
                await settle(id, isStored: false, in: journal)
            } else {
                leaveOpen(id)
            }
            throw error
        }
    }

    private func settle(_ id: FeedbackID, isStored: Bool, in journal: SQLiteStore) async {
        do {
            try await journal.submit(.settle(id, isStored: isStored), context: CallContext())
            state.withLock { _ = $0.inProgress.remove(id) }
        } catch {
            // The intent stays, and is looked up like those with an unknown outcome.
            leaveOpen(id)
        }
    }

    private func leaveOpen(_ id: FeedbackID) {
        state.withLock { state in
            state.endedAt[id] = .now
            state.inProgress.remove(id)
        }
        wakeup.signal()
    }

    /// See ``Store``.
    public func close() async {
        let (journal, resolution) = state.withLock { ($0.journal, $0.resolution) }
        resolution?.cancel()
        await store.close()
        await resolution?.value
        await journal?.close()
        state.withLock { state in
            state.journal = nil
            state.lock = nil
        }
    }

    // MARK: - Open outcomes

    /// The number of intents whose adds ended without a known outcome.
    var openCount: Int { state.withLock { $0.endedAt.count } }

    /// Looks up the intents whose adds have ended; returns true if some are still open.
    private func resolve(in journal: SQLiteStore) async -> Bool {
        var isAnyOpen = false
        do {
            var last: FeedbackID?
            while !Task.isCancelled {
                let batch = try await journal.intents(after: last, limit: 64)
                guard let end = batch.last?.id else { break }
                last = end
                for intent in batch where !Task.isCancelled {
                    if try await !resolve(intent, in: journal) { isAnyOpen = true }
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
            logger.log(
                level: wasBlind ? .debug : .warning,
                "adds with an open outcome wait to be looked up: \(error)"
            )
        }
        return isAnyOpen
    }

    /// Confirms or drops an intent; returns false if it stays open.
    private func resolve(_ intent: Feedback, in journal: SQLiteStore) async throws -> Bool {
        guard let id = intent.id else { return true }
        let endedAt: ContinuousClock.Instant? = state.withLock { state in
            state.inProgress.contains(id) ? nil : state.endedAt[id] ?? state.openedAt
        }
        // The call itself decides.
        guard let endedAt else { return true }
        // The time is taken before the lookup: what is not found then cannot come later.
        let canBeDropped = ContinuousClock.now - endedAt > limits.dropTimeout
        let context = CallContext(deadline: .now + limits.findTimeout)
        let isStored = try await find(intent, context)
        guard isStored || canBeDropped else { return false }
        try await journal.submit(.settle(id, isStored: isStored), context: CallContext())
        state.withLock { $0.endedAt[id] = nil }
        return true
    }
}

// The feedback itself is in the other store.
extension JournaledStore {
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
    /// The journal has to serve, too: without it, adds are refused.
    public func health() async -> StoreHealth {
        let health = await store.health()
        guard health == .serving, let journal else { return health }
        return await journal.health()
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
