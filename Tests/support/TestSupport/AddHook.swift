public import FeedbackCore
public import FeedbackModel

/// A hook around adds whose body is a closure; other changes pass.
public struct AddHook: FeedbackHook {
    /// The rest of the chain.
    public typealias Next = @Sendable (FeedbackDraft) async throws -> AddedFeedback
    /// The body of the hook.
    public typealias Body =
        @Sendable (FeedbackDraft, HookContext, Next) async throws -> AddedFeedback

    /// See ``FeedbackHook``.
    public let name: String
    private let body: Body

    /// Makes a hook.
    public init(name: String = "add", _ body: @escaping Body) {
        self.name = name
        self.body = body
    }

    /// See ``FeedbackHook``.
    public func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        guard case .add(let draft) = change else { return try await next(change) }
        return .added(
            try await body(draft, context) { try await next(.add($0)).added() }
        )
    }
}
