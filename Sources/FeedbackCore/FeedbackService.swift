public import FeedbackModel
internal import Synchronization

/// The service itself: field rules, hooks, identifiers and time around a store.
///
/// Every way to call it, over a socket or within the process, ends here.
///
///     let service = FeedbackService(store: MemoryStore())
///     let added = try await service.add(FeedbackDraft(sessionID: "user-123", rating: .up))
///
/// What its methods throw is a ``FeedbackError``, or what a hook threw.
public final class FeedbackService: Sendable {
    private let store: any Store
    /// The store, if it never waits.
    private let immediateStore: (any ImmediateStore)?
    /// The store, if it queues alerts.
    private let alertingStore: (any AlertingStore)?
    private let missingSession: MissingSessionPolicy
    /// Gives what is to be stored its identifier and time.
    private let accept: @Sendable (consuming FeedbackDraft) -> Feedback
    private struct Hooks {
        /// Nil if there are no hooks.
        var chain: HookChain?
        var inBackground: [any BackgroundHook] = []
        /// Between ``FeedbackService/start()`` and ``FeedbackService/stop()``.
        var isRunning = false
        /// Those that have been started and not been told to stop.
        var started: [any BackgroundHook] = []
        /// Until all those that have been told to stop have done so.
        var ending: Task<Void, Never>?

        mutating func startThose(with outbox: any AlertOutbox) {
            guard isRunning, started.isEmpty else { return }
            started = inBackground
            for hook in started { hook.start(outbox) }
        }

        /// Stops all at once: one that takes its time holds up no other.
        mutating func stopThoseStarted() {
            if started.isEmpty { return }
            let (hooks, before) = (started, ending)
            started = []
            ending = Task {
                await withDiscardingTaskGroup { group in
                    for hook in hooks { group.addTask { await hook.stop() } }
                }
                await before?.value
            }
        }
    }

    private let hooks = Mutex(Hooks())
    private let hasHooks = Atomic(false)

    /// Makes a service.
    ///
    /// - Parameters:
    ///   - store: where the feedback goes. Whoever made it closes it.
    ///   - hooks: stand around every add, the first outermost.
    ///   - missingSession: what happens on a write to an unknown session.
    ///   - clock: gives the time of creation.
    public init(
        store: any Store,
        hooks: [any FeedbackHook] = [],
        missingSession: MissingSessionPolicy = .create,
        clock: @escaping @Sendable () -> Timestamp = { Timestamp.now }
    ) {
        self.store = store
        self.missingSession = missingSession
        immediateStore = store as? any ImmediateStore
        alertingStore = store as? any AlertingStore
        let ids = FeedbackIDGenerator()
        accept = { draft in
            let now = clock()
            return Feedback(id: ids.next(at: now), draft: draft, createdAt: now)
        }
        _ = install(hooks)
    }

    /// Begins what hooks do between the calls.
    public func start() {
        let outbox = outbox
        hooks.withLock { hooks in
            hooks.isRunning = true
            hooks.startThose(with: outbox)
        }
    }

    /// Ends what hooks do between the calls, those too that are just being replaced.
    public func stop() async {
        let ending = hooks.withLock { hooks in
            hooks.isRunning = false
            hooks.stopThoseStarted()
            return hooks.ending
        }
        await ending?.value
    }

    /// Puts other hooks in the place of the present ones.
    ///
    /// Calls that have begun end with those that they began with.
    public func replaceHooks(_ hooks: [any FeedbackHook]) async {
        // The new ones begin when the former have ended: both might deliver the same alerts.
        await install(hooks)?.value
        let outbox = outbox
        self.hooks.withLock { $0.startThose(with: outbox) }
    }

    /// Puts the hooks into place and returns the end of those that were there; nil if none ran.
    private func install(_ hooks: [any FeedbackHook]) -> Task<Void, Never>? {
        let chain = HookChain(hooks) {
            [store, alertingStore, missingSession, accept] draft, rules, context in
            // What hooks made of the feedback has to keep the rules like everything else.
            try FieldRules.check(draft)
            let feedback = accept(draft)
            guard !rules.isEmpty else {
                return try await store.append(
                    feedback,
                    missingSession: missingSession,
                    context: context.call
                )
            }
            guard let alertingStore else {
                throw FeedbackError(.failedPrecondition, "the store queues no alerts")
            }
            return try await alertingStore.append(
                feedback,
                alerting: rules,
                missingSession: missingSession,
                context: context.call
            )
        }
        let ending = self.hooks.withLock { installed in
            installed.stopThoseStarted()
            installed.chain = hooks.isEmpty ? nil : chain
            installed.inBackground = hooks.compactMap { $0 as? any BackgroundHook }
            return installed.ending
        }
        hasHooks.store(!hooks.isEmpty, ordering: .releasing)
        return ending
    }

    /// Stores a feedback, through the hooks.
    ///
    /// It is durable when this returns.
    public func add(
        _ draft: FeedbackDraft,
        context: CallContext = CallContext()
    ) async throws -> AddedFeedback {
        try FieldRules.check(draft)
        guard let chain else {
            return try await store.append(
                accept(draft),
                missingSession: missingSession,
                context: context
            )
        }
        let context = HookContext(
            action: .add,
            sessionID: draft.sessionID,
            call: context,
            store: store
        )
        return try await chain.run(draft, context: context)
    }

    /// What has become of an add that was begun.
    public enum Adding: Sendable {
        /// It is done.
        case done(AddedFeedback)
        /// It waits for the store or a hook; the rest is yet to be run.
        case waiting(@Sendable () async throws -> AddedFeedback)
    }

    /// Does what ``add(_:context:)`` does, at once where nothing has to be waited for: with an
    /// ``ImmediateStore``, and with no hooks or those that never suspend.
    public func beginAdd(
        _ draft: consuming FeedbackDraft,
        context: CallContext = CallContext()
    ) throws -> Adding {
        guard immediateStore != nil else { return waiting(draft, context) }
        guard let chain else {
            try FieldRules.check(draft)
            return .done(try storeNow(draft, context))
        }
        guard chain.runsAtOnce(for: draft.rating) else { return waiting(draft, context) }
        try FieldRules.check(draft)
        let hookContext = HookContext(
            action: .add,
            sessionID: draft.sessionID,
            call: context,
            endsAtOnce: true,
            store: store
        )
        return .done(
            try chain.runNow(draft, context: hookContext) { try storeNow($0, hookContext.call) }
        )
    }

    private func storeNow(
        _ draft: consuming FeedbackDraft,
        _ context: CallContext
    ) throws -> AddedFeedback {
        guard let immediateStore else { preconditionFailure("the add may have to wait") }
        return try immediateStore.appendNow(
            accept(draft),
            missingSession: missingSession,
            context: context
        )
    }

    private func waiting(_ draft: consuming FeedbackDraft, _ context: CallContext) -> Adding {
        let draft = draft
        return .waiting { try await self.add(draft, context: context) }
    }

    /// The hooks' chain; nil if there are no hooks.
    private var chain: HookChain? {
        hasHooks.load(ordering: .acquiring) ? hooks.withLock { $0.chain } : nil
    }

    /// A page of feedback; an unknown session has an empty one.
    ///
    /// The page is shorter than asked for when its feedback would pass
    /// ``FieldLimits/pageBytesMax``; the next page goes on from there.
    public func list(
        _ query: FeedbackQuery,
        context: CallContext = CallContext()
    ) async throws -> FeedbackPage {
        var query = try FieldRules.checked(query)
        while true {
            let page = try await store.list(query, context: context)
            let fitting = page.feedbacks.countFitting(FieldLimits.pageBytesMax) {
                $0.encodedBytes
            }
            if fitting == page.feedbacks.count { return page }
            // Only the store can make the token of a shorter page.
            query.pageSize = fitting
        }
    }

    /// Exact metrics; an unknown session has zeros.
    public func metrics(
        _ query: MetricsQuery,
        context: CallContext = CallContext()
    ) async throws -> MetricsReport {
        try FieldRules.check(query)
        return try await store.metrics(query, context: context)
    }

    /// A session's metadata.
    ///
    /// - Throws: NOT_FOUND if the session is unknown.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext = CallContext()
    ) async throws -> Metadata {
        try FieldRules.check(sessionID: sessionID)
        guard let metadata = try await store.metadata(ofSession: sessionID, context: context)
        else {
            throw FeedbackError.unknownSession
        }
        return metadata
    }

    /// Changes a session's metadata and returns it as it is then.
    ///
    /// - Throws: NOT_FOUND for a removal from an unknown session, and for a merge under
    ///   ``MissingSessionPolicy/reject``.
    public func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        context: CallContext = CallContext()
    ) async throws -> Metadata {
        try FieldRules.check(sessionID: sessionID)
        try FieldRules.check(change)
        let missingSession: MissingSessionPolicy =
            switch change {
            case .merge: self.missingSession
            case .remove: .reject
            }
        return try await store.changeMetadata(
            ofSession: sessionID,
            by: change,
            missingSession: missingSession,
            context: context
        )
    }

    /// A page of alerts.
    ///
    /// The page is shorter than asked for when its alerts would pass ``FieldLimits/pageBytesMax``.
    public func alerts(_ query: AlertQuery) async throws -> AlertPage {
        let (query, after) = try FieldRules.checked(query)
        let (alerts, totalSize) = try await outbox.list(
            dead: query.dead,
            after: after,
            limit: query.pageSize + 1
        )
        let fitting = alerts.prefix(query.pageSize).countFitting(FieldLimits.pageBytesMax) {
            // Identifiers, times, counts, and the tags and lengths of all fields.
            192 + $0.alert.sessionID.utf8.count + $0.alert.comment.utf8.count
        }
        let page = alerts.prefix(fitting)
        return AlertPage(
            alerts: Array(page),
            nextPageToken: fitting < alerts.count ? page.last.map { "\($0.id)" } ?? "" : "",
            totalSize: totalSize
        )
    }

    /// Makes dead letters pending again and returns how many: those of the ids, or all.
    public func retryAlerts(_ ids: [Int64]) async throws -> Int {
        try FieldRules.check(alertIDs: ids)
        let count = try await outbox.retry(ids, at: .now)
        for hook in hooks.withLock({ $0.inBackground }) { hook.outboxChanged() }
        return count
    }

    private var outbox: any AlertOutbox { alertingStore?.outbox ?? MemoryOutbox() }

    /// Whether calls would be served now.
    public func health() async -> StoreHealth { await store.health() }
}

extension Collection {
    /// How many of the first take no more than that many bytes, at least one.
    fileprivate func countFitting(_ bytesMax: Int, _ bytesOf: (Element) -> Int) -> Int {
        var bytes = 0
        for (index, element) in enumerated() {
            bytes += bytesOf(element)
            if bytes > bytesMax { return Swift.max(1, index) }
        }
        return count
    }
}

extension Feedback {
    /// At least what a message of it takes.
    fileprivate var encodedBytes: Int {
        // Identifier, times, rating, and the tags and lengths of all fields.
        128 + draft.sessionID.utf8.count + draft.textBytes(perTag: 4, perAttribute: 12)
    }
}

extension FeedbackError {
    /// The answer to what needs a session and finds none.
    package static let unknownSession = FeedbackError(
        .notFound,
        "session_id: the session does not exist"
    )
}
