public import FeedbackModel
internal import Synchronization

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
    /// Tells the program's operations apart.
    package let number: Int
    /// Whether hooks that never suspend see the outcome before their thread does anything else.
    package let endsAtOnce: Bool
    private let store: any Store

    /// How many operations there have been.
    private static let count = Atomic(0)

    init(
        action: HookAction,
        sessionID: String,
        call: CallContext,
        endsAtOnce: Bool = false,
        store: any Store
    ) {
        self.action = action
        self.sessionID = sessionID
        self.call = call
        self.endsAtOnce = endsAtOnce
        self.store = store
        number = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
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
/// the same connection, and after `next` perhaps the store, on whose thread it may go on: suspend
/// instead.
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
    /// What the hook is called in metrics; its type's name unless it says otherwise.
    var name: String { get }

    /// Handles the operation; `next` is the rest of the chain with the storage at its end.
    func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback
}

extension FeedbackHook {
    /// The type's name.
    public var name: String { "\(type(of: self))" }
}

/// A hook that also works between the calls, on the alerts that the store has queued.
public protocol BackgroundHook: FeedbackHook {
    /// Begins the work and returns at once, without a call to the service; called once.
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

    /// See ``FeedbackHook``.
    public let name: String
    private let body: Body

    /// Makes a hook.
    public init(name: String = "closure", _ body: @escaping Body) {
        self.name = name
        self.body = body
    }

    /// See ``FeedbackHook``.
    public func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        try await body(feedback, context, next)
    }
}
