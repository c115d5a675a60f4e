public import FeedbackModel
internal import Synchronization

/// An interceptor around every change, like the hooks of the Python library feedback-system.
///
/// A hook may inspect the change, pass a modified one on, refuse it by throwing (a ``CallError``
/// reaches the caller as it is, any other error as INTERNAL), answer without calling `next`, and
/// act after `next` has returned. Hooks are called concurrently from many tasks. A hook that blocks
/// its thread delays all calls of the same event loop: suspend instead.
///
///     struct Trimming: FeedbackHook {
///         func intercept(
///             _ change: Change, context: HookContext, next: HookChain.Next
///         ) async throws -> ChangeOutcome {
///             guard case .add(var feedback) = change else { return try await next(change) }
///             feedback.tags.removeAll { $0 == "draft" }
///             return try await next(.add(feedback))
///         }
///     }
public protocol FeedbackHook: Sendable {
    /// The hook's name in metrics; the default is the name of its type.
    var name: String { get }

    /// Handles the change; `next` is the rest of the chain, with the store at its end.
    func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome
}

extension FeedbackHook {
    /// The name of the hook's type.
    public var name: String { "\(type(of: self))" }
}

/// The call and the session of a change, as its hooks see them.
public final class HookContext: Sendable {
    /// The change as the caller requested it, which meets the field rules.
    let original: Change
    /// The kind of the change.
    public var action: Change.Action { original.action }
    /// The session that the caller named.
    public var sessionID: String { original.sessionID }
    /// The caller, its deadline and its metadata.
    public let call: CallContext
    /// A number that identifies the change within the process.
    package let number: Int
    /// True if the part of the chain that ended last has failed.
    let hasFailed = Atomic(false)
    private let store: any Store

    /// The number of changes since the start of the process.
    private static let count = Atomic(0)

    init(_ change: Change, call: CallContext, store: any Store) {
        original = change
        self.call = call
        self.store = store
        number = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// Reads the session's present metadata; nil if the session does not exist.
    ///
    /// - Throws: the errors of the store.
    public func metadata() async throws -> Metadata? {
        try await store.metadata(ofSession: sessionID, context: call)
    }
}

/// A hook whose body is a closure.
///
///     ClosureHook { change, context, next in
///         let outcome = try await next(change)
///         print("\(context.action) in \(context.sessionID)")
///         return outcome
///     }
public struct ClosureHook: FeedbackHook {
    /// The body of ``FeedbackHook/intercept(_:context:next:)``.
    public typealias Body =
        @Sendable (Change, HookContext, HookChain.Next) async throws -> ChangeOutcome

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
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        try await body(change, context, next)
    }
}
