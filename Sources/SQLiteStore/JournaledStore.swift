public import FeedbackCore
public import FeedbackModel
import Glibc
public import Logging
import Synchronization

/// A store with a journal beside it: an SQLite store of its own, whose log has the changes that this
/// process made, for the cursors that follow it.
///
/// With ``Acknowledgement/majority``, a feedback stands in the journal first, as an intent that no
/// cursor sees; then the other store is asked; then the intent becomes an entry of the journal's log,
/// or is dropped. What a crash or an ambiguous error leaves open is looked up in the other store:
/// there, it is confirmed; not there, it is dropped once it cannot be written any more.
///
/// With ``Acknowledgement/local``, adds and updates of metadata are answered when the journal has
/// them, and are written to the other store by a ``Replicator``; all other calls wait for that.
///
/// Either way nothing is delivered to a destination that the other store does not have, and nothing
/// is left out that it has. A journal is used by one process at a time.
public final class JournaledStore: CursorKeepingStore {
    /// The other store, as a journal uses it.
    public struct Other: Sendable {
        /// Returns true if the store has a feedback, among what cannot be lost any more.
        public typealias Find = @Sendable (Feedback, CallContext) async throws -> Bool
        /// Attempts once to make changes, in order within each session; `undecided` ones have to be
        /// attempted again, `refused` ones never.
        public typealias Replicate =
            @Sendable ([AcceptedChange]) async -> [CommitResult<ChangeOutcome>]

        let store: any Store
        let find: Find
        let replicate: Replicate

        /// Names a store, which is closed with the journal.
        public init(_ store: any Store, find: @escaping Find, replicate: @escaping Replicate) {
            self.store = store
            self.find = find
            self.replicate = replicate
        }
    }

    /// The limits of a journal.
    public struct Limits: Sendable {
        /// The size of the changes that the other store does not have yet, in bytes, from which on
        /// further ones are refused.
        public var bytesMax = 1 << 30
        /// The age from which on changes are removed that the other store has and every cursor has
        /// passed.
        public var keep = Duration.seconds(86_400)
        /// The time after the end of an add from which on it cannot be written any more.
        ///
        /// Its intent is then dropped if the other store does not have it. A command that a server
        /// has begun ends before that, since its connection is closed.
        var dropTimeout = Duration.seconds(60)
        /// The interval between two attempts to look up intents.
        var lookupPause = Duration.seconds(1)
        /// The deadline of a lookup.
        var findTimeout = Duration.seconds(5)
        /// The maximum number of intents whose outcome is open.
        var openMax = 10_000
        /// The longest time for which a call waits until the other store has the changes before it.
        var replicationTimeout = Duration.seconds(1)
        /// The interval between two removals of what is no longer needed.
        var purgePause = Duration.seconds(60)

        /// Makes the default limits.
        public init() {}
    }

    struct State {
        var journal: SQLiteStore?
        var lock: FileLock?
        /// Writes what was acknowledged before the other store had it; nil if there is no such change.
        var replicator: Replicator?
        var tasks: [Task<Void, Never>] = []
        /// The names of the destinations that follow the journal; with any, it has to have what the
        /// other store answers for.
        var followers: Set<String> = []
        /// The intents whose adds are in progress.
        var inProgress: Set<FeedbackID> = []
        /// The times at which adds ended without a known outcome; an intent without one was found
        /// when the journal was opened.
        var endedAt: [FeedbackID: ContinuousClock.Instant] = [:]
        var openedAt = ContinuousClock.now
        /// True if the last attempt to look up intents failed.
        var isBlind = false
    }

    let other: Other
    let acknowledgement: Acknowledgement
    let limits: Limits
    let logger: Logger
    let state = Mutex(State())
    let wakeup = Wakeup()
    private let path: @Sendable () throws -> String
    private let onStop: @Sendable (CallError) -> Void

    /// Makes a store that only forwards to the other one until ``open(followers:)`` is called.
    ///
    /// - Parameters:
    ///   - other: the store that keeps the feedback; it is closed with this one.
    ///   - acknowledgement: the moment at which writes are answered.
    ///   - limits: the limits of the journal.
    ///   - logger: the destination of warnings.
    ///   - onStop: called once when the journal has stopped for good, with the error that its callers
    ///     get.
    ///   - path: returns the path of the journal, which is created if it does not exist; called by
    ///     ``open(followers:)``.
    public init(
        _ other: Other,
        acknowledgement: Acknowledgement = .majority,
        limits: Limits = Limits(),
        logger: Logger,
        onStop: @escaping @Sendable (CallError) -> Void = { _ in },
        path: @escaping @Sendable () throws -> String
    ) {
        self.onStop = onStop
        self.other = other
        self.acknowledgement = acknowledgement
        self.limits = limits
        self.logger = logger
        self.path = path
    }

    /// Opens the journal unless it is open.
    ///
    /// - Parameter followers: the names of the destinations that follow the journal from now on, in
    ///   place of the former ones; none if it is opened for what waits to be written or to be looked
    ///   up.
    /// - Throws: a ``CallError`` with the path in its message; INVALID_ARGUMENT for the name of the
    ///   journal's own cursor.
    public func open(followers: Set<String>) throws {
        guard !followers.contains(Replicator.cursorName) else {
            throw CallError(
                .invalidArgument,
                "a destination beside MongoDB must not be named \(Replicator.cursorName)"
            )
        }
        try state.withLock { state in
            if state.journal != nil {
                state.followers = followers
                return
            }
            let path = try path()
            let journal = try SQLiteStore(path: path, logger: logger, onStop: onStop)
            let lock = try FileLock("\(path)-lock")
            // Changes that wait are written also when no further ones are acknowledged so.
            let replicator = try Replicator(
                journal,
                isNeeded: acknowledgement == .local,
                write: other.replicate,
                logger: logger
            )
            state.followers = followers
            state.journal = journal
            state.lock = lock
            state.replicator = replicator
            state.openedAt = .now
            if let replicator {
                state.tasks.append(Task { await replicator.run() })
            }
            state.tasks.append(Task { [weak self] in await self?.resolveIntents(in: journal) })
            state.tasks.append(Task { [weak self] in await self?.purge(journal) })
        }
    }

    /// True if there is a file of the journal, which a former process has left.
    public var hasFile: Bool {
        guard let path = try? path() else { return false }
        return access(path, F_OK) == 0
    }

    /// The journal; nil until it is open.
    var journal: SQLiteStore? { state.withLock { $0.journal } }

    /// See ``CursorKeepingStore``: true once the journal is open.
    package var keepsCursors: Bool { journal != nil }

    /// See ``CursorKeepingStore``.
    package var cursors: any CursorStore {
        guard let journal else { preconditionFailure("the journal is open") }
        return JournalCursors(self, journal)
    }

    /// See ``CursorKeepingStore``.
    package func waiting() async throws -> (count: Int64, since: Timestamp?) {
        let (journal, replicator) = state.withLock { ($0.journal, $0.replicator) }
        guard let journal, let replicator else { return (0, nil) }
        return try await journal.waiting(after: replicator.position)
    }

    // MARK: - Writes

    /// See ``Store``.
    ///
    /// - Throws: also RESOURCE_EXHAUSTED if the journal is full, or if the outcome of too many adds is
    ///   open.
    public func commit(
        _ change: AcceptedChange,
        context: CallContext
    ) async throws -> ChangeOutcome {
        let (journal, replicator) = state.withLock { ($0.journal, $0.replicator) }
        guard let journal else { return try await other.store.commit(change, context: context) }
        switch change.change {
        case .add, .changeMetadata(_, .merge):
            if acknowledgement == .local, let replicator {
                return try await keep(change, in: journal, replicator, context)
            }
        case .changeMetadata(_, .remove): break
        }
        try await waitForReplication(context)
        guard case .add(let draft) = change.change, state.withLock({ !$0.followers.isEmpty }) else {
            return try await other.store.commit(change, context: context)
        }
        return try await add(draft, change, in: journal, context)
    }

    /// Makes a change in the journal, from which it is written to the other store afterwards.
    private func keep(
        _ change: AcceptedChange,
        in journal: SQLiteStore,
        _ replicator: Replicator,
        _ context: CallContext
    ) async throws -> ChangeOutcome {
        guard replicator.waitingBytes < limits.bytesMax else {
            throw CallError(
                .resourceExhausted,
                "the journal is full (\(limits.bytesMax) bytes that MongoDB does not have yet)"
            )
        }
        let outcome = try await journal.commit(change, context: context)
        switch outcome {
        case .added(let added):
            if !added.replayed { replicator.added(bytes: change.journalBytes) }
            return outcome
        case .metadata(let waiting):
            replicator.added(bytes: change.journalBytes)
            // The journal has only the keys that wait; the other store may be away.
            guard await other.store.health() == .serving else { return outcome }
            let deadline = ContinuousClock.now + limits.replicationTimeout
            let stored = try? await other.store.metadata(
                ofSession: change.change.sessionID,
                context: CallContext(deadline: min(context.deadline ?? deadline, deadline))
            )
            return .metadata(MetadataChange.merge(waiting).applied(to: stored ?? [:]))
        }
    }

    /// Adds a feedback to the other store, with an intent in the journal.
    private func add(
        _ draft: FeedbackDraft,
        _ change: AcceptedChange,
        in journal: SQLiteStore,
        _ context: CallContext
    ) async throws -> ChangeOutcome {
        // While the other store is away, nothing is left that would have to be looked up.
        if case .notServing(let reason) = await other.store.health() {
            throw CallError(.unavailable, reason)
        }
        let id = change.feedbackID
        try begin(id)
        do {
            let feedback = Feedback(id: id, draft: draft, createdAt: change.acceptedAt)
            try await journal.submit(
                .changeRows { try IntentTable.insert(feedback, $0) },
                context: context
            )
        } catch {
            state.withLock { _ = $0.inProgress.remove(id) }
            throw error
        }
        do {
            let outcome = try await other.store.commit(change, context: context)
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

    // MARK: - Waiting

    /// Waits until the other store has the changes that were acknowledged before.
    ///
    /// - Throws: UNAVAILABLE, with their number, if that takes too long.
    private func waitForReplication(_ context: CallContext) async throws {
        let (journal, replicator) = state.withLock { ($0.journal, $0.replicator) }
        guard let journal, let replicator else { return }
        let target = journal.database.numbers.committed
        if replicator.position >= target { return }
        let latest = ContinuousClock.now + limits.replicationTimeout
        let end = min(context.deadline ?? latest, latest)
        guard await !replicator.waits(for: target, until: end) else { return }
        throw CallError(
            .unavailable,
            "up to \(target - replicator.position) changes wait to be written to MongoDB"
        )
    }

    /// See ``Store``.
    public func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage {
        try await waitForReplication(context)
        return try await other.store.list(query, context: context)
    }

    /// See ``Store``.
    public func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport {
        try await waitForReplication(context)
        return try await other.store.metrics(query, context: context)
    }

    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        try await waitForReplication(context)
        return try await other.store.metadata(ofSession: sessionID, context: context)
    }

    /// See ``Store``.
    public func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        try await other.store.readLog(from: start, context: context)
    }

    /// See ``Store``.
    ///
    /// The journal has to serve; with ``Acknowledgement/local``, the other store may be away.
    public func health() async -> StoreHealth {
        guard let journal else { return await other.store.health() }
        if acknowledgement == .majority {
            let health = await other.store.health()
            guard health == .serving else { return health }
        }
        return await journal.health()
    }

    /// See ``Store``.
    public func close() async {
        let (journal, tasks) = state.withLock { ($0.journal, $0.tasks) }
        for task in tasks { task.cancel() }
        await other.store.close()
        for task in tasks { await task.value }
        await journal?.close()
        state.withLock { state in
            state.journal = nil
            state.lock = nil
            state.replicator = nil
        }
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
