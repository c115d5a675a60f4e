import CoreMetrics
import FeedbackCore
import FeedbackModel
import PrometheusMetrics
import StoreContract
import Synchronization
import TestSupport
import Testing

@Suite("the chain of hooks")
struct HookChainTests {
    private let draft = FeedbackDraft(sessionID: "s", comment: "c")
    private let log = Log()

    /// Returns a service with the hooks alone, or with a hook of another kind around them.
    private func service(
        _ hooks: [any FeedbackHook],
        amongOthers: Bool = false,
        store: any Store = MemoryStore(),
        missingSession: MissingSessionPolicy = .create
    ) -> FeedbackService {
        let other = ClosureHook { change, _, next in try await next(change) }
        return FeedbackService(
            store: store,
            hooks: amongOthers ? [other] + hooks : hooks,
            missingSession: missingSession
        )
    }

    private func tracing(_ names: String...) -> [any FeedbackHook] {
        names.map { Tracing($0, log) }
    }

    @Test("the first is outermost and ends last", arguments: [false, true])
    func order(amongOthers: Bool) async throws {
        let service = service(tracing("a", "b", "c"), amongOthers: amongOthers)
        let added = try await service.add(draft)
        #expect(log.lines == ["a in", "b in", "c in", "c out", "b out", "a out"])
        #expect(added.feedback.comment == "cabc")
        #expect(try await service.list(FeedbackQuery()).feedbacks.map(\.comment) == ["cabc"])
    }

    @Test("a refusal ends those further out, reaches none further in", arguments: [false, true])
    func refusal(amongOthers: Bool) async throws {
        let veto = CallError(.permissionDenied, "no")
        let service = service(
            [Tracing("a", log), Tracing("b", log, refusal: veto), Tracing("c", log)],
            amongOthers: amongOthers
        )
        #expect(await errorCode { try await service.add(draft) } == .permissionDenied)
        #expect(log.lines == ["a in", "b in", "a failed with no"])
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test("what the store throws, all hear of", arguments: [false, true])
    func failedStore(amongOthers: Bool) async throws {
        let service = service(
            tracing("a", "b"),
            amongOthers: amongOthers,
            missingSession: .reject
        )
        await #expect(throws: CallError.self) { try await service.add(draft) }
        #expect(log.lines.prefix(2) == ["a in", "b in"])
        #expect(log.lines.count == 4)
        #expect(log.lines[2].hasPrefix("b failed with session_id"))
        #expect(log.lines[3].hasPrefix("a failed with session_id"))
    }

    @Test("what a hook throws after the store becomes the outcome", arguments: [false, true])
    func lateFailure(amongOthers: Bool) async throws {
        let late = CallError(.aborted, "late")
        let service = service(
            [Tracing("a", log), Tracing("b", log, lateError: late)],
            amongOthers: amongOthers
        )
        #expect(await errorCode { try await service.add(draft) } == .aborted)
        #expect(log.lines == ["a in", "b in", "b out", "a failed with late"])
        #expect(try await service.list(FeedbackQuery()).feedbacks.count == 1)
    }

    @Test("the one that refused is counted, and no other", arguments: [false, true])
    func vetoes(amongOthers: Bool) async throws {
        let metrics = PrometheusMetrics()
        let veto = CallError(.permissionDenied, "no")
        let late = CallError(.aborted, "late")
        for hook in [Tracing("early", log, refusal: veto), Tracing("late", log, lateError: late)] {
            let hooks: [any FeedbackHook] = [Tracing("outer", log), hook, Tracing("inner", log)]
            let service = withMetricsFactory(metrics) {
                self.service(hooks, amongOthers: amongOthers)
            }
            _ = try? await service.add(draft)
        }
        let name = CoreInstrument.hookVetoes.rawValue
        #expect(
            metrics.page.split(separator: "\n").filter { $0.hasPrefix("\(name){") } == [
                #"\#(name){hook="early",code="PERMISSION_DENIED"} 1"#,
                #"\#(name){hook="late",code="ABORTED"} 1"#,
            ]
        )
    }

    @Test("hooks can be replaced while adds go on, and each add has those of one list")
    func replacement() async throws {
        let service = service(tracing("x"))
        let isDone = Atomic(false)
        let adds = Task {
            while !isDone.load(ordering: .relaxed) {
                let comment = try await service.add(FeedbackDraft(sessionID: "s")).feedback.comment
                #expect(["", "x", "xy", "xyz"].contains(comment))
            }
        }
        let closure = AddHook { feedback, _, next in
            var feedback = feedback
            feedback.comment += "z"
            return try await next(feedback)
        }
        for _ in 0..<200 {
            service.replaceHooks([])
            service.replaceHooks(tracing("x", "y"))
            service.replaceHooks(tracing("x", "y") + [closure])
            service.replaceHooks(tracing("x"))
        }
        isDone.store(true, ordering: .relaxed)
        try await adds.value
    }

    @Test func what_a_hook_throws_is_passed_on_as_it_is() async throws {
        struct Odd: Error {}
        let service = service([AddHook { _, _, _ in throw Odd() }])
        await #expect(throws: Odd.self) { try await service.add(draft) }
    }

    @Test func a_hook_may_change_the_feedback() async throws {
        let service = service([
            AddHook { feedback, _, next in
                var feedback = feedback
                feedback.comment += "!"
                return try await next(feedback)
            },
            AddHook { feedback, _, next in
                #expect(feedback.comment == "c!")
                return try await next(feedback)
            },
        ])
        #expect(try await service.add(draft).feedback.comment == "c!")
        #expect(try await service.list(FeedbackQuery()).feedbacks.map(\.comment) == ["c!"])
    }

    @Test func what_a_hook_makes_of_the_feedback_keeps_the_field_rules() async throws {
        let service = service([
            AddHook { feedback, _, next in
                var feedback = feedback
                feedback.tags = [""]
                return try await next(feedback)
            }
        ])
        #expect(await errorCode { try await service.add(draft) } == .invalidArgument)
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test("feedback that breaks a rule reaches none", arguments: [false, true])
    func brokenRule(amongOthers: Bool) async throws {
        let service = service(tracing("a"), amongOthers: amongOthers)
        let bad = FeedbackDraft(sessionID: "")
        #expect(await errorCode { try await service.add(bad) } == .invalidArgument)
        #expect(log.lines.isEmpty)
    }

    @Test func a_hook_that_does_not_call_next_answers_itself() async throws {
        let service = service([
            AddHook { feedback, _, _ in
                let moment = Timestamp(millisecondsSinceEpoch: 1)
                let kept = Feedback(id: nil, draft: feedback, createdAt: moment)
                return AddedFeedback(feedback: kept, replayed: true)
            },
            Tracing("inner", log),
        ])
        #expect(try await service.add(draft).replayed)
        #expect(log.lines.isEmpty)
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test func a_hook_that_answers_with_another_outcome_is_an_internal_error() async throws {
        let service = service([ClosureHook { _, _, _ in .metadata([:]) }])
        #expect(await errorCode { try await service.add(draft) } == .internal)
    }

    @Test func a_hook_sees_call_and_session_and_reads_the_metadata() async throws {
        let service = service([
            AddHook { [log] feedback, context, next in
                #expect(context.action == .add)
                #expect(context.sessionID == "s")
                #expect(context.call.peer == PeerCredentials(pid: 1, uid: 2, gid: 3))
                log.add("\(String(describing: try await context.metadata()?["k"]))")
                return try await next(feedback)
            }
        ])
        let context = CallContext(peer: PeerCredentials(pid: 1, uid: 2, gid: 3))
        _ = try await service.add(draft, context: context)
        _ = try await service.changeMetadata(ofSession: "s", by: .merge(["k": .bool(true)]))
        _ = try await service.add(draft, context: context)
        let value: MetadataValue? = .bool(true)
        #expect(log.lines == ["nil", "\(String(describing: value))"])
    }

    @Test func changes_of_metadata_pass_the_hooks_by_their_actions() async throws {
        let service = service([
            ClosureHook { [log] change, context, next in
                #expect(change.action == context.action)
                log.add("\(context.action.rawValue) in \(context.sessionID)")
                return try await next(change)
            }
        ])
        _ = try await service.changeMetadata(ofSession: "s", by: .merge(["k": .bool(true)]))
        _ = try await service.changeMetadata(ofSession: "s", by: .remove(["k"]))
        #expect(log.lines == ["update_metadata in s", "delete_metadata in s"])
    }
}

private final class Log: Sendable {
    private let state = Mutex<[String]>([])

    var lines: [String] { state.withLock { $0 } }

    func add(_ line: String) { state.withLock { $0.append(line) } }
}

/// A hook that appends its name to the comment.
private struct Tracing: FeedbackHook {
    let name: String
    private let log: Log
    private let refusal: CallError?
    private let lateError: CallError?

    init(_ name: String, _ log: Log, refusal: CallError? = nil, lateError: CallError? = nil) {
        self.name = name
        self.log = log
        self.refusal = refusal
        self.lateError = lateError
    }

    func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        guard case .add(var feedback) = change else { return try await next(change) }
        log.add("\(name) in")
        if let refusal { throw refusal }
        feedback.comment += name
        let outcome: ChangeOutcome
        do {
            outcome = try await next(.add(feedback))
        } catch {
            log.add("\(name) failed with \((error as? CallError)?.message ?? "\(error)")")
            throw error
        }
        log.add("\(name) out")
        if let lateError { throw lateError }
        return outcome
    }
}
