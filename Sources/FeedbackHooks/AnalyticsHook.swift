internal import CoreMetrics
public import FeedbackCore
package import FeedbackModel

/// Counts the feedback that was stored, by rating, and the lengths of its comments, in instruments
/// of swift-metrics.
///
/// They begin with 0 at every start; what the store has in all, `GetMetrics` tells.
public final class AnalyticsHook: ImmediateHook {
    /// The label `hook` of the instruments.
    public let name: String
    private let up: Counter
    private let down: Counter
    private let none: Counter
    private let commentLength: Recorder

    /// Makes the instruments; two hooks of one name share theirs.
    public init(name: String) {
        func counter(_ rating: Rating) -> Counter {
            Counter(
                label: InstrumentName.feedback.rawValue,
                dimensions: [("hook", name), ("rating", rating.name)]
            )
        }
        self.name = name
        up = counter(.up)
        down = counter(.down)
        none = counter(.none)
        commentLength = Recorder(
            label: InstrumentName.commentLength.rawValue,
            dimensions: [("hook", name)]
        )
    }

    package func begin(_ feedback: inout FeedbackDraft, context: HookContext) -> HookEnding? {
        HookEnding { [self] outcome in if case .success(let added) = outcome { count(added) } }
    }

    private func count(_ added: AddedFeedback) {
        // A repeated request was counted when it came first.
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
