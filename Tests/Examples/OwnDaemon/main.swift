import FeedbackHooks
import FeedbackServer

struct NoShouting: FeedbackHook {
    func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        if feedback.comment.contains("!!!") {
            throw FeedbackError.invalid("comment", "must not shout")
        }
        return try await next(feedback)
    }
}

let telling = ClosureHook { feedback, context, next in
    let added = try await next(feedback)
    print("stored \(added.feedback.rating) for \(context.sessionID)")
    return added
}

var configuration = ServerConfiguration()
configuration.socketPath = "feedbackd.sock"
configuration.store = .sqlite(path: "feedback.db")
let hooks: [any FeedbackHook] = [try ValidationHook(), NoShouting(), telling]
try await FeedbackServer(configuration: configuration, hooks: hooks).run()
