public import FeedbackModel

/// What is being done to the feedback.
public enum HookAction: String, Sendable {
    /// A feedback is being added.
    case add
}

/// What a hook may know about the operation that it stands around.
public struct HookContext: Sendable {
    /// What is being done.
    public let action: HookAction
    /// The session that the call names.
    public let sessionID: String
    /// Who calls and how long they wait.
    public let call: CallContext
    private let store: any Store

    init(action: HookAction, sessionID: String, call: CallContext, store: any Store) {
        self.action = action
        self.sessionID = sessionID
        self.call = call
        self.store = store
    }

    /// The session's metadata as it is now; nil if the session is unknown.
    public func metadata() async throws -> Metadata? {
        try await store.metadata(ofSession: sessionID, context: call)
    }
}

/// Stands around an operation on feedback, as the hooks of the guide's Python library do.
///
/// A hook may look at the feedback, pass a changed one on, refuse by throwing (a ``FeedbackError``
/// reaches the caller as it is, anything else as INTERNAL), not call `next` at all, and act after
/// it. Hooks are called from many tasks at once. One that blocks its thread holds up all calls of
/// the same connection: suspend instead.
///
///     struct Trimming: FeedbackHook {
///         func intercept(
///             _ feedback: FeedbackDraft, context: HookContext, next: HookChain.Next
///         ) async throws -> AddedFeedback {
///             var feedback = feedback
///             feedback.tags.removeAll { $0 == "draft" }
///             return try await next(feedback)
///         }
///     }
public protocol FeedbackHook: Sendable {
    /// Handles the operation; `next` is the rest of the chain with the storage at its end.
    func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback
}

/// A hook that also works between the calls, on the alerts that the store has queued.
public protocol BackgroundHook: FeedbackHook {
    /// Begins the work; called once.
    func start(_ outbox: any AlertOutbox)
    /// Looks into the outbox soon: dead letters have become pending.
    func outboxChanged()
    /// Ends the work, though calls may still come through the hook.
    ///
    /// What is left is done by the next hook of that name.
    func stop() async
}

/// A hook made of a closure.
///
///     ClosureHook { feedback, context, next in
///         let added = try await next(feedback)
///         print("stored \(added.feedback.createdAt)")
///         return added
///     }
public struct ClosureHook: FeedbackHook {
    /// Does what ``FeedbackHook/intercept(_:context:next:)`` does.
    public typealias Body =
        @Sendable (FeedbackDraft, HookContext, HookChain.Next) async throws -> AddedFeedback

    private let body: Body

    /// Makes a hook.
    public init(_ body: @escaping Body) { self.body = body }

    /// See ``FeedbackHook``.
    public func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        try await body(feedback, context, next)
    }
}

/// A list of hooks around the storage, built once.
///
/// The first hook is the outermost.
public struct HookChain: Sendable {
    /// What the innermost hook's `next` does.
    typealias Storage =
        @Sendable (FeedbackDraft, [AlertRule], HookContext) async throws -> AddedFeedback

    private let hooks: [any FeedbackHook]
    private let storage: Storage

    init(_ hooks: [any FeedbackHook], storage: @escaping Storage) {
        self.hooks = hooks
        self.storage = storage
    }

    func run(_ feedback: FeedbackDraft, context: HookContext) async throws -> AddedFeedback {
        try await Next(chain: self, index: 0, context: context, rules: [])(feedback)
    }

    /// The rest of a chain.
    public struct Next: Sendable {
        fileprivate let chain: HookChain
        fileprivate let index: Int
        fileprivate let context: HookContext
        fileprivate let rules: [AlertRule]

        /// Passes the feedback on.
        ///
        /// What it throws, a hook usually lets through.
        public func callAsFunction(_ feedback: FeedbackDraft) async throws -> AddedFeedback {
            guard index < chain.hooks.count else {
                return try await chain.storage(feedback, rules, context)
            }
            let next = Next(chain: chain, index: index + 1, context: context, rules: rules)
            return try await chain.hooks[index].intercept(feedback, context: context, next: next)
        }

        /// Passes the feedback on, and has an alert queued in the transaction that stores it, if the
        /// rule says so then.
        public func callAsFunction(
            _ feedback: FeedbackDraft,
            alerting rule: AlertRule
        ) async throws -> AddedFeedback {
            let next = Next(chain: chain, index: index, context: context, rules: rules + [rule])
            return try await next(feedback)
        }
    }
}
