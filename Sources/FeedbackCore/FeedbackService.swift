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
    private let missingSession: MissingSessionPolicy
    /// Gives what is to be stored its identifier and time.
    private let accept: @Sendable (consuming FeedbackDraft) -> Feedback
    /// The chain, unless there are no hooks.
    private let chain = Mutex<HookChain?>(nil)
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
        let ids = FeedbackIDGenerator()
        accept = { draft in
            let now = clock()
            return Feedback(id: ids.next(at: now), draft: draft, createdAt: now)
        }
        replaceHooks(hooks)
    }

    /// Puts other hooks in the place of the present ones.
    ///
    /// Calls that have begun end with those that they began with.
    public func replaceHooks(_ hooks: [any FeedbackHook]) {
        let chain = HookChain(hooks) { [store, missingSession, accept] draft, rules, context in
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
            guard let store = store as? any AlertingStore else {
                throw FeedbackError(.failedPrecondition, "the store queues no alerts")
            }
            return try await store.append(
                feedback,
                alerting: rules,
                missingSession: missingSession,
                context: context.call
            )
        }
        self.chain.withLock { $0 = hooks.isEmpty ? nil : chain }
        hasHooks.store(!hooks.isEmpty, ordering: .releasing)
    }

    /// Stores a feedback, through the hooks.
    ///
    /// It is durable when this returns.
    public func add(
        _ draft: FeedbackDraft,
        context: CallContext = CallContext()
    ) async throws -> AddedFeedback {
        try FieldRules.check(draft)
        guard hasHooks.load(ordering: .acquiring), let chain = chain.withLock({ $0 }) else {
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

    /// Whether an add takes no waiting: without hooks, and with an ``ImmediateStore``.
    public var addsAtOnce: Bool {
        immediateStore != nil && !hasHooks.load(ordering: .acquiring)
    }

    /// Does what ``add(_:context:)`` does without hooks, at once; only if ``addsAtOnce``.
    public func addNow(
        _ draft: consuming FeedbackDraft,
        context: CallContext = CallContext()
    ) throws -> AddedFeedback {
        guard let immediateStore else { preconditionFailure("the add may have to wait") }
        try FieldRules.check(draft)
        return try immediateStore.appendNow(
            accept(draft),
            missingSession: missingSession,
            context: context
        )
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
            let fitting = page.feedbacks.countFitting(FieldLimits.pageBytesMax)
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

    /// Whether calls would be served now.
    public func health() async -> StoreHealth { await store.health() }
}

extension [Feedback] {
    /// How many of the first take no more than that many bytes, at least one.
    fileprivate func countFitting(_ bytesMax: Int) -> Int {
        var bytes = 0
        for (index, feedback) in enumerated() {
            bytes += feedback.encodedBytes
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
