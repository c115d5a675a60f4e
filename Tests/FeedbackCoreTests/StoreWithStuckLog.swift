import FeedbackCore
import FeedbackModel

/// A store whose log answers nobody before the deadline of the call, and never without one.
struct StoreWithStuckLog: Store {
    private let memory = MemoryStore()

    func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        try await Task.sleep(until: context.deadline ?? .now + .seconds(86_400))
        throw CallError(.deadlineExceeded, "the log does not answer")
    }

    func commit(_ change: AcceptedChange, context: CallContext) async throws -> ChangeOutcome {
        try await memory.commit(change, context: context)
    }

    func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage {
        try await memory.list(query, context: context)
    }

    func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport {
        try await memory.metrics(query, context: context)
    }

    func metadata(ofSession sessionID: String, context: CallContext) async throws -> Metadata? {
        try await memory.metadata(ofSession: sessionID, context: context)
    }

    func health() async -> StoreHealth { .serving }

    func close() async {}
}
