import FeedbackCore
import FeedbackModel
import StoreContract
import Synchronization
import Testing

struct HookChainTests {
    private let draft = FeedbackDraft(sessionID: "s", comment: "c")

    @Test func the_first_hook_is_outermost_and_unwinds_last() async throws {
        let log = Log()
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: [Tracing("a", log), Tracing("b", log), Tracing("c", log)]
        )
        _ = try await service.add(draft)
        #expect(log.lines == ["a in", "b in", "c in", "c out", "b out", "a out"])
    }

    @Test func a_refusal_reaches_the_caller_and_unwinds_the_outer_hooks() async throws {
        let log = Log()
        let store = MemoryStore()
        let veto = FeedbackError(.permissionDenied, "no")
        let refusing = Closure { _, _, _ in throw veto }
        let service = FeedbackService(
            store: store,
            hooks: [Tracing("a", log), refusing, Tracing("b", log)]
        )
        #expect(await errorCode { try await service.add(draft) } == .permissionDenied)
        #expect(log.lines == ["a in", "a failed"])
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test func what_a_hook_throws_is_passed_on_as_it_is() async throws {
        struct Odd: Error {}
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: [Closure { _, _, _ in throw Odd() }]
        )
        await #expect(throws: Odd.self) { try await service.add(draft) }
    }

    @Test func a_hook_may_change_the_feedback() async throws {
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: [
                Closure { feedback, _, next in
                    var feedback = feedback
                    feedback.comment += "!"
                    return try await next(feedback)
                },
                Closure { feedback, _, next in
                    #expect(feedback.comment == "c!")
                    return try await next(feedback)
                },
            ]
        )
        #expect(try await service.add(draft).feedback.comment == "c!")
        #expect(try await service.list(FeedbackQuery()).feedbacks.map(\.comment) == ["c!"])
    }

    @Test func what_a_hook_makes_of_the_feedback_keeps_the_field_rules() async throws {
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: [
                Closure { feedback, _, next in
                    var feedback = feedback
                    feedback.tags = [""]
                    return try await next(feedback)
                }
            ]
        )
        #expect(await errorCode { try await service.add(draft) } == .invalidArgument)
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test func feedback_that_breaks_a_rule_reaches_no_hook() async throws {
        let log = Log()
        let service = FeedbackService(store: MemoryStore(), hooks: [Tracing("a", log)])
        let bad = FeedbackDraft(sessionID: "")
        #expect(await errorCode { try await service.add(bad) } == .invalidArgument)
        #expect(log.lines.isEmpty)
    }

    @Test func a_hook_that_does_not_call_next_answers_itself() async throws {
        let log = Log()
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: [
                Closure { feedback, _, _ in
                    let moment = Timestamp(millisecondsSinceEpoch: 1)
                    let kept = Feedback(id: nil, draft: feedback, createdAt: moment)
                    return AddedFeedback(feedback: kept, replayed: true)
                },
                Tracing("inner", log),
            ]
        )
        #expect(try await service.add(draft).replayed)
        #expect(log.lines.isEmpty)
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test func a_hook_sees_call_and_session_and_reads_the_metadata() async throws {
        let log = Log()
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: [
                Closure { feedback, context, next in
                    #expect(context.action == .add)
                    #expect(context.sessionID == "s")
                    #expect(context.call.peer == Peer(pid: 1, uid: 2, gid: 3))
                    log.add("\(String(describing: try await context.metadata()?["k"]))")
                    return try await next(feedback)
                }
            ]
        )
        let context = CallContext(peer: Peer(pid: 1, uid: 2, gid: 3))
        _ = try await service.add(draft, context: context)
        _ = try await service.changeMetadata(ofSession: "s", by: .merge(["k": .bool(true)]))
        _ = try await service.add(draft, context: context)
        let value: MetadataValue? = .bool(true)
        #expect(log.lines == ["nil", "\(String(describing: value))"])
    }
}

private final class Log: Sendable {
    private let state = Mutex<[String]>([])

    var lines: [String] { state.withLock { $0 } }

    func add(_ line: String) { state.withLock { $0.append(line) } }
}

private struct Tracing: FeedbackHook {
    let name: String
    let log: Log

    init(_ name: String, _ log: Log) {
        self.name = name
        self.log = log
    }

    func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        log.add("\(name) in")
        do {
            let added = try await next(feedback)
            log.add("\(name) out")
            return added
        } catch {
            log.add("\(name) failed")
            throw error
        }
    }
}

private struct Closure: FeedbackHook {
    typealias Body =
        @Sendable (FeedbackDraft, HookContext, HookChain.Next) async throws -> AddedFeedback

    let body: Body

    init(_ body: @escaping Body) {
        self.body = body
    }

    func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        try await body(feedback, context, next)
    }
}
