import CoreMetrics
import FeedbackCore
import FeedbackModel
import PrometheusMetrics
import StoreContract
import Synchronization
import Testing

/// What holds for hooks of two parts, wherever their chain runs.
@Suite("hooks that never suspend")
struct ImmediateHookTests {
    private let draft = FeedbackDraft(sessionID: "s", comment: "c")
    private let log = Log()

    /// How a chain may be run.
    enum Way: CaseIterable {
        case atOnce, aroundAnyStore, amongOtherHooks

        func service(
            _ hooks: [any FeedbackHook],
            missingSession: MissingSessionPolicy = .create
        ) -> FeedbackService {
            let other = ClosureHook { feedback, _, next in try await next(feedback) }
            let hooks = self == .amongOtherHooks ? [other] + hooks : hooks
            return FeedbackService(
                store: MemoryStore(),
                hooks: hooks,
                missingSession: missingSession
            )
        }

        func add(_ draft: FeedbackDraft, to service: FeedbackService) async throws -> AddedFeedback
        {
            guard self == .atOnce else { return try await service.add(draft) }
            switch try service.beginAdd(draft) {
            case .done(let added): return added
            case .waiting: throw FeedbackError(.internal, "it had to wait")
            }
        }
    }

    @Test("the first is outermost and ends last", arguments: Way.allCases)
    func order(_ way: Way) async throws {
        let service = way.service(["a", "b", "c"].map { Tracing($0, log) })
        let added = try await way.add(draft, to: service)
        #expect(log.lines == ["a in", "b in", "c in", "c out", "b out", "a out"])
        #expect(added.feedback.comment == "cabc")
        #expect(try await service.list(FeedbackQuery()).feedbacks.map(\.comment) == ["cabc"])
    }

    @Test("a refusal ends those further out, reaches none further in", arguments: Way.allCases)
    func refusal(_ way: Way) async throws {
        let veto = FeedbackError(.permissionDenied, "no")
        let service = way.service([
            Tracing("a", log), Tracing("b", log, refusal: veto), Tracing("c", log),
        ])
        #expect(await errorCode { try await way.add(draft, to: service) } == .permissionDenied)
        #expect(log.lines == ["a in", "b in", "a failed with no"])
        #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
    }

    @Test("what the storage throws, all hear of", arguments: Way.allCases)
    func failedStorage(_ way: Way) async throws {
        let service = way.service([Tracing("a", log), Tracing("b", log)], missingSession: .reject)
        await #expect(throws: FeedbackError.self) { try await way.add(draft, to: service) }
        #expect(log.lines.prefix(2) == ["a in", "b in"])
        #expect(log.lines.count == 4)
        #expect(log.lines[2].hasPrefix("b failed with session_id"))
        #expect(log.lines[3].hasPrefix("a failed with session_id"))
    }

    @Test("what an ending throws becomes the outcome", arguments: Way.allCases)
    func failedEnding(_ way: Way) async throws {
        let late = FeedbackError(.aborted, "late")
        let service = way.service([Tracing("a", log), Tracing("b", log, endingError: late)])
        #expect(await errorCode { try await way.add(draft, to: service) } == .aborted)
        #expect(log.lines == ["a in", "b in", "b out", "a failed with late"])
        #expect(try await service.list(FeedbackQuery()).feedbacks.count == 1)
    }

    @Test("the one that refused is counted, and no other", arguments: Way.allCases)
    func vetoes(_ way: Way) async throws {
        let metrics = PrometheusMetrics()
        let veto = FeedbackError(.permissionDenied, "no")
        let late = FeedbackError(.aborted, "late")
        for hook in [
            Tracing("early", log, refusal: veto), Tracing("late", log, endingError: late),
        ] {
            let service = withMetricsFactory(metrics) {
                way.service([Tracing("outer", log), hook, Tracing("inner", log)])
            }
            _ = try? await way.add(draft, to: service)
        }
        let name = InstrumentName.hookVetoes.rawValue
        #expect(
            metrics.page.split(separator: "\n").filter { $0.hasPrefix("\(name){") } == [
                #"\#(name){hook="early",code="PERMISSION_DENIED"} 1"#,
                #"\#(name){hook="late",code="ABORTED"} 1"#,
            ]
        )
    }

    @Test("feedback that breaks a rule reaches none", arguments: Way.allCases)
    func brokenRule(_ way: Way) async throws {
        let service = way.service([Tracing("a", log)])
        await #expect(throws: FeedbackError.self) {
            try await way.add(FeedbackDraft(sessionID: ""), to: service)
        }
        #expect(log.lines.isEmpty)
    }

    @Test("an add waits for any other hook, and where an alert may be due")
    func waiting() async throws {
        func waits(_ hooks: [any FeedbackHook], rating: Rating = .down) async throws -> Bool {
            let store = MemoryStore()
            let service = FeedbackService(store: store, hooks: hooks)
            let alerts = hooks.contains { ($0 as? any ImmediateHook)?.alertRule != nil }
            switch try service.beginAdd(FeedbackDraft(sessionID: "s", rating: rating)) {
            case .done: return false
            case .waiting(let add):
                #expect(try await service.list(FeedbackQuery()).feedbacks.isEmpty)
                #expect(try await add().feedback.rating == rating)
                #expect(
                    try await store.outbox.list(dead: false, after: 0, limit: 2).totalSize
                        == (alerts ? 1 : 0)
                )
                return true
            }
        }
        let alerting = Tracing("a", log, alertRule: AlertRule(name: "a", ratings: [.down]))
        let closure = ClosureHook { feedback, _, next in try await next(feedback) }
        #expect(try await waits([]) == false)
        #expect(try await waits([Tracing("a", log)]) == false)
        #expect(try await waits([Tracing("a", log), alerting], rating: .up) == false)
        #expect(try await waits([Tracing("a", log), alerting]))
        #expect(try await waits([closure, alerting]))
        #expect(try await waits([Tracing("a", log), closure]))
    }

    @Test("hooks can be replaced while adds go on, and each add has those of one list")
    func replacement() async throws {
        let service = FeedbackService(store: MemoryStore(), hooks: [Tracing("x", log)])
        let isDone = Atomic(false)
        let adds = Task {
            while !isDone.load(ordering: .relaxed) {
                let comment: String
                switch try service.beginAdd(FeedbackDraft(sessionID: "s")) {
                case .done(let added): comment = added.feedback.comment
                case .waiting(let add): comment = try await add().feedback.comment
                }
                #expect(["", "x", "xy", "xyz"].contains(comment))
            }
        }
        let closure = ClosureHook { feedback, _, next in
            var feedback = feedback
            feedback.comment += "z"
            return try await next(feedback)
        }
        for _ in 0..<200 {
            await service.replaceHooks([])
            await service.replaceHooks([Tracing("x", log), Tracing("y", log)])
            await service.replaceHooks([Tracing("x", log), Tracing("y", log), closure])
            await service.replaceHooks([Tracing("x", log)])
        }
        isDone.store(true, ordering: .relaxed)
        try await adds.value
    }
}

private final class Log: Sendable {
    private let state = Mutex<[String]>([])

    var lines: [String] { state.withLock { $0 } }

    func add(_ line: String) { state.withLock { $0.append(line) } }
}

/// Appends its name to the comment.
private final class Tracing: ImmediateHook {
    let name: String
    let alertRule: AlertRule?
    private let log: Log
    private let refusal: FeedbackError?
    private let endingError: FeedbackError?

    init(
        _ name: String,
        _ log: Log,
        alertRule: AlertRule? = nil,
        refusal: FeedbackError? = nil,
        endingError: FeedbackError? = nil
    ) {
        self.name = name
        self.alertRule = alertRule
        self.log = log
        self.refusal = refusal
        self.endingError = endingError
    }

    func begin(_ feedback: inout FeedbackDraft, context: HookContext) throws -> HookEnding? {
        log.add("\(name) in")
        if let refusal { throw refusal }
        feedback.comment += name
        return HookEnding { [self] outcome in
            switch outcome {
            case .success: log.add("\(name) out")
            case .failure(let error as FeedbackError):
                log.add("\(name) failed with \(error.message)")
            case .failure(let error): log.add("\(name) failed with \(error)")
            }
            if let endingError { throw endingError }
        }
    }
}
