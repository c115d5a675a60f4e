import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import PrometheusMetrics
import Synchronization
import Testing

@Suite("what the service records")
struct InstrumentTests {
    private let metrics = PrometheusMetrics()
    private let draft = FeedbackDraft(sessionID: "s")

    private struct Passing: FeedbackHook {
        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            try await next(change)
        }
    }

    /// Adds once through the hooks and returns the page's lines about vetoes.
    private func vetoes(
        _ hooks: [any FeedbackHook],
        missingSession: MissingSessionPolicy = .create
    ) async throws -> [Substring] {
        await withMetricsFactory(metrics) {
            let service = FeedbackService(
                store: MemoryStore(),
                hooks: hooks,
                missingSession: missingSession
            )
            _ = try? await service.add(draft)
        }
        return metrics.page.split(separator: "\n").filter {
            $0.hasPrefix("\(CoreInstrument.hookVetoes.rawValue){")
        }
    }

    @Test func a_veto_counts_for_the_hook_that_threw_and_for_no_other() async throws {
        let lines = try await vetoes([
            ClosureHook(name: "outer") { change, _, next in try await next(change) },
            ClosureHook(name: "check") { _, _, _ in throw CallError(.permissionDenied, "no") },
            ClosureHook(name: "inner") { _, _, _ in throw CallError(.aborted, "no") },
        ])
        #expect(
            lines == [#"feedbackd_hook_vetoes_total{hook="check",code="PERMISSION_DENIED"} 1"#]
        )
    }

    @Test func an_unknown_error_is_INTERNAL() async throws {
        struct Odd: Error {}
        let lines = try await vetoes([ClosureHook(name: "odd") { _, _, _ in throw Odd() }])
        #expect(lines == [#"feedbackd_hook_vetoes_total{hook="odd",code="INTERNAL"} 1"#])
    }

    @Test func what_the_storage_throws_is_no_veto() async throws {
        #expect(try await vetoes([Passing(), Passing()], missingSession: .reject).isEmpty)
    }

    @Test func a_veto_after_storing_counts() async throws {
        let lines = try await vetoes([
            ClosureHook(name: "late") { change, _, next in
                _ = try await next(change)
                throw CallError(.aborted, "no")
            }
        ])
        #expect(lines == [#"feedbackd_hook_vetoes_total{hook="late",code="ABORTED"} 1"#])
    }

    @Test func a_hook_is_named_by_its_type_unless_it_says_otherwise() {
        #expect((Passing() as any FeedbackHook).name == "Passing")
        #expect(ClosureHook(name: "mine") { try await $2($0) }.name == "mine")
    }
}
