import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import PrometheusMetrics
import Synchronization
import Testing

@Suite("what the queue of writes records")
struct CommitQueueInstrumentTests {
    private let metrics = PrometheusMetrics()

    @Test func the_queue_length_is_that_of_all_queues() async throws {
        let gate = DispatchSemaphore(value: 0)
        let begun = Atomic(0)
        func stalled() -> CommitQueue<Int, Int> {
            withMetricsFactory(metrics) {
                CommitQueue(label: "test", limits: CommitLimits()) { batch in
                    begun.add(1, ordering: .relaxed)
                    gate.wait()
                    gate.signal()
                    return batch.map { .done($0) }
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
            CommitQueue<Int, Int>(label: "test", limits: CommitLimits()) {
                $0.map { .done($0) }
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
