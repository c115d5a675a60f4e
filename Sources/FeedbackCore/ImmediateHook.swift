package import FeedbackModel

/// A hook that never suspends, in two parts: one before `next`, and the ending after it.
///
/// A chain of nothing else needs no task where the store does not wait either, and around any other
/// store it suspends but once. Such a hook passes on what its beginning does not refuse; it leaves
/// the rating as it is, and what it makes of the feedback keeps the field rules.
package protocol ImmediateHook: AnyObject, FeedbackHook {
    /// What the store is to alert of; nil for nothing.
    var alertRule: AlertRule? { get }

    /// Looks at the feedback, changes it, or refuses it by throwing.
    ///
    /// - Returns: nil if there is nothing to do afterwards.
    func begin(_ feedback: inout FeedbackDraft, context: HookContext) throws -> HookEnding?
}

/// What an immediate hook does when the rest of the chain has ended, however it did.
package struct HookEnding: Sendable {
    fileprivate let body: @Sendable (Result<AddedFeedback, any Error>) throws -> Void

    /// Makes an ending; what it throws becomes the outcome.
    package init(_ body: @escaping @Sendable (Result<AddedFeedback, any Error>) throws -> Void) {
        self.body = body
    }
}

extension ImmediateHook {
    package var alertRule: AlertRule? { nil }

    /// See ``FeedbackHook``: what happens in a chain with other hooks.
    public func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        var feedback = feedback
        let ending = try begin(&feedback, context: context)
        let outcome: Result<AddedFeedback, any Error>
        do {
            outcome = .success(try await next(feedback, alerting: alertRule))
        } catch {
            outcome = .failure(error)
        }
        try ending?.body(outcome)
        return try outcome.get()
    }
}

/// A chain of nothing but immediate hooks, the first outermost.
struct ImmediateHooks: Sendable {
    private let hooks: [any ImmediateHook]
    private let vetoes: [VetoCounters]?
    /// Those of all hooks, the outermost first.
    let rules: [AlertRule]
    /// The ratings that one of the rules names: three at most, which a set would find more slowly.
    private let alertedRatings: [Rating]

    /// Nil if one of the hooks is of another kind.
    init?(_ hooks: [any FeedbackHook], vetoes: [VetoCounters]?) {
        let immediate = hooks.compactMap { $0 as? any ImmediateHook }
        guard immediate.count == hooks.count else { return nil }
        self.hooks = immediate
        self.vetoes = vetoes
        rules = immediate.compactMap(\.alertRule)
        alertedRatings = Array(Set(rules.flatMap(\.ratings)))
    }

    /// Whether the store may have to alert of it.
    func mayAlert(of rating: Rating) -> Bool { alertedRatings.contains(rating) }

    /// Does what comes before the storage; `endings` gets those of the hooks that did not refuse.
    ///
    /// - Throws: a hook's refusal.
    func begin(
        _ feedback: inout FeedbackDraft,
        context: HookContext,
        endings: inout [HookEnding?]
    ) throws {
        endings = Array(repeating: nil, count: hooks.count)
        for (index, hook) in hooks.enumerated() {
            do {
                endings[index] = try hook.begin(&feedback, context: context)
            } catch {
                vetoes?[index].count(error)
                throw error
            }
        }
    }

    /// Unwinds the chain, and returns or throws its outcome.
    func end(
        _ endings: [HookEnding?],
        _ outcome: consuming Result<AddedFeedback, any Error>
    ) throws -> AddedFeedback {
        for index in endings.indices.reversed() {
            do {
                try endings[index]?.body(outcome)
            } catch {
                vetoes?[index].count(error)
                outcome = .failure(error)
            }
        }
        return try outcome.get()
    }
}
