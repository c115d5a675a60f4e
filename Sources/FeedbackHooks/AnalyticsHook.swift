internal import CoreMetrics
public import FeedbackCore
public import FeedbackModel

/// A hook that counts stored feedback by rating, and records the lengths of comments, in metrics of
/// swift-metrics.
///
/// The counters begin with 0 at every start; `GetMetrics` returns the totals of the store.
public final class AnalyticsHook: FeedbackHook {
    /// The hook's name, which is the label `hook` of the metrics.
    public let name: String
    private let up: Counter
    private let down: Counter
    private let none: Counter
    private let commentLength: Recorder

    /// Makes the metrics; hooks with the same name share theirs.
    public init(name: String) {
        func counter(_ rating: Rating) -> Counter {
            Counter(
                label: HookInstrument.feedback.rawValue,
                dimensions: [("hook", name), ("rating", rating.name)]
            )
        }
        self.name = name
        up = counter(.up)
        down = counter(.down)
        none = counter(.none)
        commentLength = Recorder(
            label: HookInstrument.commentLength.rawValue,
            dimensions: [("hook", name)]
        )
    }

    /// See ``FeedbackHook``.
    public func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        let outcome = try await next(change)
        if case .added(let added) = outcome { count(added) }
        return outcome
    }

    private func count(_ added: AddedFeedback) {
        // A replayed request was counted when it was stored.
        guard !added.replayed else { return }
        switch added.feedback.rating {
        case .up: up.increment()
        case .down: down.increment()
        case .none: none.increment()
        }
        let comment = added.feedback.comment
        if !comment.isEmpty { commentLength.record(comment.codePointCount) }
    }
}
