import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// A store whose commits block until ``letGo()`` is called, as on a disk that hangs.
///
/// Reads are not blocked.
final class StalledStore: Store {
    private let writes: CommitQueue<Feedback, AddedFeedback>
    private let memory = MemoryStore()
    private let disk: Disk
    private let calls = Mutex<[CallContext]>([])

    /// The disk, on which the writer blocks, and which records the written feedback.
    private final class Disk: Sendable {
        let isFree = DispatchSemaphore(value: 0)
        let committing = Gate()
        let written = Mutex<[Feedback]>([])

        func commit(_ batch: [Feedback]) -> [CommitResult<AddedFeedback>] {
            committing.open()
            isFree.wait()
            isFree.signal()
            written.withLock { $0 += batch }
            return batch.map { .done(AddedFeedback(feedback: $0, replayed: false)) }
        }

        /// A gate that the first commit opens.
        final class Gate: Sendable {
            private let semaphore = DispatchSemaphore(value: 0)
            func open() { semaphore.signal() }
            func wait() {
                semaphore.wait()
                semaphore.signal()
            }
        }
    }

    init(limits: CommitLimits = CommitLimits()) {
        let disk = Disk()
        self.disk = disk
        writes = CommitQueue(label: "test.stalled", limits: limits) { disk.commit($0) }
    }

    /// The comments of the feedback that reached the disk.
    var writtenComments: [String] { disk.written.withLock { $0.map(\.comment) } }

    /// The contexts of all adds, in the order of their arrival.
    var contexts: [CallContext] { calls.withLock { $0 } }

    /// Returns when the first commit blocks.
    func waitUntilStalled() { disk.committing.wait() }

    /// Unblocks all commits.
    func letGo() { disk.isFree.signal() }

    func commit(_ change: AcceptedChange, context: CallContext) async throws -> ChangeOutcome {
        guard case .add(let draft) = change.change else { return .metadata([:]) }
        calls.withLock { $0.append(context) }
        let feedback = Feedback(
            id: change.feedbackID,
            draft: draft,
            createdAt: change.acceptedAt
        )
        return .added(try await writes.submit(feedback, context: context))
    }

    func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        try await memory.readLog(from: start, context: context)
    }

    func list(
        _ query: FeedbackQuery,
        context: CallContext
    ) async throws -> FeedbackPage {
        try await memory.list(query, context: context)
    }

    func metrics(
        _ query: MetricsQuery,
        context: CallContext
    ) async throws -> MetricsReport {
        try await memory.metrics(query, context: context)
    }

    func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? { nil }

    func health() async -> StoreHealth { .serving }

    func close() async { await writes.close() }
}
