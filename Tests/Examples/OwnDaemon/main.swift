import FeedbackHooks
import FeedbackServer

struct NoShouting: FeedbackHook {
    func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        if let feedback = change.draft, feedback.comment.contains("!!!") {
            throw CallError.invalid("comment", "must not shout")
        }
        return try await next(change)
    }
}

let telling = ClosureHook { change, context, next in
    let outcome = try await next(change)
    if let feedback = outcome.feedback {
        print("stored \(feedback.rating) for \(context.sessionID)")
    }
    return outcome
}

var configuration = ServerConfiguration()
configuration.socketPath = "feedbackd.sock"
configuration.store = .sqlite(path: "feedback.db")
let hooks: [any FeedbackHook] = [try ValidationHook(), NoShouting(), telling]
try await FeedbackServer(configuration: configuration, hooks: hooks).run()
