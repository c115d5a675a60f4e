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

    private struct Named: FeedbackHook {
        let name: String
        let body: @Sendable (HookChain.Next, FeedbackDraft) async throws -> AddedFeedback

        func intercept(
            _ feedback: FeedbackDraft,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> AddedFeedback {
            try await body(next, feedback)
        }
    }

    private struct Passing: FeedbackHook {
        func intercept(
            _ feedback: FeedbackDraft,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> AddedFeedback {
            try await next(feedback)
        }
    }

    /// Adds once through the hooks and returns the lines about vetoes.
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
            $0.hasPrefix("\(InstrumentName.hookVetoes.rawValue){")
        }
    }

    @Test func a_veto_counts_for_the_hook_that_threw_and_for_no_other() async throws {
        let lines = try await vetoes([
            Named(name: "outer") { next, feedback in try await next(feedback) },
            Named(name: "check") { _, _ in throw FeedbackError(.permissionDenied, "no") },
            Named(name: "inner") { _, _ in throw FeedbackError(.aborted, "no") },
        ])
        #expect(
            lines == [#"feedbackd_hook_vetoes_total{hook="check",code="PERMISSION_DENIED"} 1"#]
        )
    }

    @Test func an_unknown_error_is_INTERNAL() async throws {
        struct Odd: Error {}
        let lines = try await vetoes([Named(name: "odd") { _, _ in throw Odd() }])
        #expect(lines == [#"feedbackd_hook_vetoes_total{hook="odd",code="INTERNAL"} 1"#])
    }

    @Test func what_the_storage_throws_is_no_veto() async throws {
        #expect(try await vetoes([Passing(), Passing()], missingSession: .reject).isEmpty)
    }

    @Test func a_veto_after_storing_counts() async throws {
        let lines = try await vetoes([
            Named(name: "late") { next, feedback in
                _ = try await next(feedback)
                throw FeedbackError(.aborted, "no")
            }
        ])
        #expect(lines == [#"feedbackd_hook_vetoes_total{hook="late",code="ABORTED"} 1"#])
    }

    @Test func a_hook_is_named_by_its_type_unless_it_says_otherwise() {
        #expect((Passing() as any FeedbackHook).name == "Passing")
        #expect(ClosureHook(name: "mine") { try await $2($0) }.name == "mine")
    }

    @Test func the_queue_length_is_that_of_all_queues() async throws {
        let gate = DispatchSemaphore(value: 0)
        let begun = Atomic(0)
        func stalled() -> GroupCommit<Int, Int> {
            withMetricsFactory(metrics) {
                GroupCommit(label: "test", limits: GroupCommitLimits()) { batch in
                    begun.add(1, ordering: .relaxed)
                    gate.wait()
                    gate.signal()
                    return batch.map { .success($0) }
                }
            }
        }
        let commits = [stalled(), stalled()]
        func submit(_ count: Int) -> [Task<Int, any Error>] {
            commits.flatMap { commit in
                (0..<count).map { number in
                    Task { try await commit.submit(number, context: CallContext()) }
                }
            }
        }
        let first = submit(1)
        while begun.load(ordering: .relaxed) < 2 { try await Task.sleep(for: .milliseconds(1)) }
        let others = submit(2)
        while commits.contains(where: { $0.waitingCount < 2 }) {
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(metrics.page.contains("feedbackd_write_queue_length 4\n"))
        gate.signal()
        for add in first + others { _ = try await add.value }
        #expect(metrics.page.contains("feedbackd_write_queue_length 0\n"))
    }

    @Test func group_commits_record_queue_batches_and_time() async throws {
        let commit = withMetricsFactory(metrics) {
            GroupCommit<Int, Int>(label: "test", limits: GroupCommitLimits()) {
                $0.map { .success($0) }
            }
        }
        for number in 1...3 {
            #expect(try await commit.submit(number, context: CallContext()) == number)
        }
        let lines = metrics.page.split(separator: "\n")
        #expect(lines.contains("feedbackd_write_queue_length 0"))
        #expect(lines.contains("feedbackd_write_batch_size_sum 3"))
        #expect(lines.contains("feedbackd_write_batch_size_count 3"))
        #expect(lines.contains("feedbackd_write_duration_seconds_count 3"))
    }
}
