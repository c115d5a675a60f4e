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
    /// The time without a change after which a watcher is told the position of its stream.
    public static let heartbeatIntervalDefault = Duration.seconds(15)

    private let writer: ChangeWriter
    private let heartbeatInterval: Duration
    /// The name of the store, for ``status(context:)``.
    private let storeName: String
    /// The time at which the service was made.
    private let startedAt: Timestamp
    private let engine = Mutex<(any DeliveryControl)?>(nil)
    /// The chain of the hooks; nil if there are no hooks.
    private let hooks = Mutex<HookChain?>(nil)
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
        self.storeName = storeName
        startedAt = clock()
        replaceHooks(hooks)
    }

    /// Replaces the hooks.
    ///
    /// Calls that have begun continue with the hooks with which they began.
    public func replaceHooks(_ hooks: [any FeedbackHook]) {
        let chain = hooks.isEmpty ? nil : HookChain(hooks, writer: writer)
        self.hooks.withLock { $0 = chain }
        hasHooks.store(chain != nil, ordering: .releasing)
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
        hasHooks.load(ordering: .acquiring) ? hooks.withLock { $0 } : nil
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

    /// The destinations that are told of the store's changes; nil if there are none.
    ///
    /// Whoever makes them sets them here, before the first call.
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
        let keeper = writer.store as? any CursorKeepingStore
        let waiting = try await keeper?.waiting() ?? (count: 0, since: nil)
        return ServerStatus(
            version: FeedbackdVersion.text,
            startedAt: startedAt,
            store: storeName,
            position: await position(context),
            destinations: try await deliveries.destinations(),
            unreplicatedCount: waiting.count,
            unreplicatedSince: waiting.since
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

    // MARK: - Health

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
