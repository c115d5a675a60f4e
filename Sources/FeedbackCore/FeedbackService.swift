public import FeedbackModel
internal import Synchronization

/// The service: field rules, hooks, identifiers and time around a store.
///
/// Calls over a socket and calls within the process both end here.
///
///     let service = FeedbackService(store: MemoryStore())
///     let added = try await service.add(FeedbackDraft(sessionID: "user-123", rating: .up))
///
/// Its methods throw a ``CallError``, or the error that a hook threw.
public final class FeedbackService: Sendable {
    private let writer: ChangeWriter
    /// The store, if it queues alerts; nil otherwise.
    private let alertingStore: (any AlertingStore)?
    private let heartbeatInterval: Duration

    /// The time without a change after which a watcher is told the position of its stream.
    public static let heartbeatIntervalDefault = Duration.seconds(15)

    private struct Hooks {
        /// The chain of the hooks; nil if there are no hooks.
        var chain: HookChain?
        var inBackground: [any BackgroundHook] = []
        /// True between ``FeedbackService/start()`` and ``FeedbackService/stop()``.
        var isRunning = false
        /// The hooks that have been started and not been told to stop.
        var started: [any BackgroundHook] = []
        /// Ends when all hooks that have been told to stop have stopped.
        var ending: Task<Void, Never>?

        mutating func startThose(with outbox: any AlertOutbox) {
            guard isRunning, started.isEmpty else { return }
            started = inBackground
            for hook in started { hook.start(outbox) }
        }

        /// Stops all started hooks concurrently, so that a slow one does not delay the others.
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

    /// The name of the store, for ``status(context:)``.
    private let storeName: String
    /// The time at which the service was made.
    private let startedAt: Timestamp
    private let engine = Mutex<(any DeliveryControl)?>(nil)
    private let hooks = Mutex(Hooks())
    private let hasHooks = Atomic(false)

    /// Makes a service.
    ///
    /// - Parameters:
    ///   - store: the store that keeps the feedback; the caller closes it.
    ///   - hooks: the hooks around every change, the first outermost.
    ///   - missingSession: the policy for a write to a session that does not exist.
    ///   - storeName: the name of the store for ``status(context:)``, without secrets.
    ///   - clock: the clock that gives the times of creation.
    ///   - heartbeatInterval: the time without a change after which a watcher is told the position of
    ///     its stream.
    public init(
        store: any Store,
        hooks: [any FeedbackHook] = [],
        missingSession: MissingSessionPolicy = .create,
        storeName: String = "",
        clock: @escaping @Sendable () -> Timestamp = { Timestamp.now },
        heartbeatInterval: Duration = FeedbackService.heartbeatIntervalDefault
    ) {
        self.heartbeatInterval = heartbeatInterval
        writer = ChangeWriter(store: store, missingSession: missingSession, clock: clock)
        alertingStore = store as? any AlertingStore
        self.storeName = storeName
        startedAt = clock()
        _ = install(hooks)
    }

    /// Starts the background work of the hooks.
    public func start() {
        let outbox = outbox
        hooks.withLock { hooks in
            hooks.isRunning = true
            hooks.startThose(with: outbox)
        }
    }

    /// Stops the background work of the hooks, of those included that are being replaced.
    public func stop() async {
        let ending = hooks.withLock { hooks in
            hooks.isRunning = false
            hooks.stopThoseStarted()
            return hooks.ending
        }
        await ending?.value
    }

    /// Replaces the hooks.
    ///
    /// Calls that have begun continue with the hooks with which they began.
    public func replaceHooks(_ hooks: [any FeedbackHook]) async {
        // The new hooks start after the former have stopped, since both might deliver the same
        // alerts.
        await install(hooks)?.value
        let outbox = outbox
        self.hooks.withLock { $0.startThose(with: outbox) }
    }

    /// Puts the hooks into place; the task that is returned ends when the former hooks have
    /// stopped, nil if none were started.
    private func install(_ hooks: [any FeedbackHook]) -> Task<Void, Never>? {
        let chain = HookChain(hooks, writer: writer)
        let ending = self.hooks.withLock { installed in
            installed.stopThoseStarted()
            installed.chain = hooks.isEmpty ? nil : chain
            installed.inBackground = hooks.compactMap { $0 as? any BackgroundHook }
            return installed.ending
        }
        hasHooks.store(!hooks.isEmpty, ordering: .releasing)
        return ending
    }

    // MARK: - Writes

    /// Makes a change, which passes through the hooks; it is durable when this method returns.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault; the error of a hook; the errors
    ///   of ``Store/commit(_:context:)``.
    public func write(
        _ change: Change,
        context: CallContext = CallContext()
    ) async throws -> ChangeOutcome {
        try FieldRules.check(change)
        guard let chain else {
            return try await writer.store.commit(writer.accept(change), context: context)
        }
        return try await chain.run(change, context: context)
    }

    /// Adds a feedback; see ``write(_:context:)``.
    public func add(
        _ draft: FeedbackDraft,
        context: CallContext = CallContext()
    ) async throws -> AddedFeedback {
        try await write(.add(draft), context: context).added()
    }

    /// Changes a session's metadata and returns the result; see ``write(_:context:)``.
    ///
    /// - Throws: NOT_FOUND for a removal from a session that does not exist, and for a merge under
    ///   ``MissingSessionPolicy/reject``.
    public func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        context: CallContext = CallContext()
    ) async throws -> Metadata {
        try await write(.changeMetadata(sessionID: sessionID, change), context: context).metadata()
    }

    /// The chain of the hooks; nil if there are no hooks.
    private var chain: HookChain? {
        hasHooks.load(ordering: .acquiring) ? hooks.withLock { $0.chain } : nil
    }

    // MARK: - Reads

    /// Returns a page of feedback; the page of a session that does not exist is empty.
    ///
    /// The page is shorter than requested if its feedback would exceed
    /// ``FieldLimits/pageBytesMax``; the next page continues from there.
    public func list(
        _ query: FeedbackQuery,
        context: CallContext = CallContext()
    ) async throws -> FeedbackPage {
        var query = try FieldRules.checked(query)
        while true {
            let page = try await writer.store.list(query, context: context)
            let fitting = page.feedbacks.countFitting(FieldLimits.pageBytesMax) {
                $0.encodedBytes
            }
            if fitting == page.feedbacks.count { return page }
            // Only the store can make the token of a shorter page.
            query.pageSize = fitting
        }
    }

    /// Returns exact metrics; those of a session that does not exist are zeros.
    public func metrics(
        _ query: MetricsQuery,
        context: CallContext = CallContext()
    ) async throws -> MetricsReport {
        try FieldRules.check(query)
        return try await writer.store.metrics(query, context: context)
    }

    /// Returns a session's metadata.
    ///
    /// - Throws: NOT_FOUND if the session does not exist.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext = CallContext()
    ) async throws -> Metadata {
        try FieldRules.check(sessionID: sessionID)
        guard let metadata = try await writer.store.metadata(ofSession: sessionID, context: context)
        else {
            throw CallError.unknownSession
        }
        return metadata
    }

    /// Begins a stream of the changes of feedback.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault; the errors of
    ///   ``Store/readLog(from:context:)``.
    public func watch(
        _ query: WatchQuery,
        context: CallContext = CallContext()
    ) async throws -> LogWatch {
        try FieldRules.check(query)
        return LogWatch(
            query,
            of: try await writer.store.readLog(from: query.start, context: context),
            heartbeatInterval: heartbeatInterval,
            context: context
        )
    }

    // MARK: - Operation

    /// The engine that delivers to the destinations; nil if there are none.
    ///
    /// Whoever makes the engine sets it here, before the first call.
    package var deliveryEngine: (any DeliveryControl)? {
        get { engine.withLock { $0 } }
        set { engine.withLock { $0 = newValue } }
    }

    /// The destinations, as an operator sees and controls them; a service without any has an empty
    /// list.
    ///
    /// Its methods check their arguments by the rules of the requests' fields.
    public var deliveries: any DeliveryControl { CheckedDeliveries(engine: deliveryEngine) }

    /// Returns the state of the service, of its store and of its destinations.
    public func status(context: CallContext = CallContext()) async throws -> ServerStatus {
        ServerStatus(
            version: FeedbackdVersion.text,
            startedAt: startedAt,
            store: storeName,
            position: await position(context),
            destinations: try await deliveries.destinations()
        )
    }

    /// The time that the store is given to tell the position of the last change.
    private static let positionTimeout = Duration.seconds(1)

    /// Returns the position of the last change; nil if the store keeps no log, or cannot be asked
    /// now: the rest of the status is of use then, too.
    private func position(_ context: CallContext) async -> LogPosition? {
        var context = context
        let end = ContinuousClock.now + Self.positionTimeout
        context.deadline = min(context.deadline ?? end, end)
        guard let reader = try? await writer.store.readLog(from: .now, context: context) else {
            return nil
        }
        let page = try? await reader.next(limit: 1, patience: .zero, context: context)
        await reader.close()
        return page?.position
    }

    // MARK: - Alerts and health

    /// Returns a page of queued alerts.
    ///
    /// The page is shorter than requested if its alerts would exceed ``FieldLimits/pageBytesMax``.
    public func alerts(_ query: AlertQuery) async throws -> AlertPage {
        let (query, after) = try FieldRules.checked(query)
        let (alerts, totalSize) = try await outbox.list(
            dead: query.dead,
            after: after,
            limit: query.pageSize + 1
        )
        let fitting = alerts.prefix(query.pageSize).countFitting(FieldLimits.pageBytesMax) {
            // The estimate for identifiers, times, counts, and the tags and lengths of all fields.
            192 + $0.alert.sessionID.utf8.count + $0.alert.comment.utf8.count
        }
        let page = alerts.prefix(fitting)
        return AlertPage(
            alerts: Array(page),
            nextPageToken: fitting < alerts.count ? page.last.map { "\($0.id)" } ?? "" : "",
            totalSize: totalSize
        )
    }

    /// Makes dead letters pending again, those with the ids or all if `ids` is empty, and returns
    /// their number.
    public func retryAlerts(_ ids: [Int64]) async throws -> Int {
        try FieldRules.check(alertIDs: ids)
        let count = try await outbox.retry(ids, at: .now)
        for hook in hooks.withLock({ $0.inBackground }) { hook.outboxChanged() }
        return count
    }

    private var outbox: any AlertOutbox { alertingStore?.outbox ?? MemoryOutbox() }

    /// Returns whether calls would be served now.
    public func health() async -> StoreHealth { await writer.store.health() }
}

extension Collection {
    /// Returns the number of leading elements that together take at most `bytesMax` bytes, but at
    /// least one.
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
    /// An estimate, from below, of the feedback's size as a message.
    fileprivate var encodedBytes: Int {
        // The estimate for identifier, times, rating, and the tags and lengths of all fields.
        128 + draft.sessionID.utf8.count + draft.textBytes(perTag: 4, perAttribute: 12)
    }
}

extension CallError {
    /// The error for a request that needs a session which does not exist.
    package static let unknownSession = CallError(
        .notFound,
        "session_id: the session does not exist"
    )
}
