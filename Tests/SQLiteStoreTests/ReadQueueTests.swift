import FeedbackCore
import FeedbackModel
import SQLiteStore
import TestSupport
import Testing

@Suite("reads of calls that have ended")
struct ReadQueueTests {
    private final class Gone: CallCancellation {
        var isCancelled: Bool { true }
    }

    @Test func a_read_whose_call_has_ended_is_dropped() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.path("f.db"))
        let contexts = [
            (CallContext(deadline: .now), CallError.Code.deadlineExceeded),
            (CallContext(cancellation: Gone()), .cancelled),
        ]
        for (context, code) in contexts {
            await #expect {
                try await store.list(FeedbackQuery(pageSize: 1), context: context)
            } throws: {
                ($0 as? CallError)?.code == code
            }
            await #expect {
                try await store.metrics(MetricsQuery(), context: context)
            } throws: {
                ($0 as? CallError)?.code == code
            }
            await #expect {
                try await store.metadata(ofSession: "s", context: context)
            } throws: {
                ($0 as? CallError)?.code == code
            }
        }
        await store.close()
    }

    @Test func one_read_more_than_may_wait_is_refused() async throws {
        let folder = try TemporaryFolder()
        let limits = SQLiteStoreLimits(readQueueLengthMax: 0)
        let store = try SQLiteStore(path: folder.path("f.db"), limits: limits)
        await #expect {
            try await store.list(FeedbackQuery(pageSize: 1), context: CallContext())
        } throws: {
            ($0 as? CallError)?.code == .resourceExhausted
        }
        await store.close()
    }
}
