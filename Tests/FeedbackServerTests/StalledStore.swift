import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

@testable import SQLiteStore

/// A store whose commits wait until they are let go, as on a disk that hangs.
///
/// Reads are not held up.
final class StalledStore: Store {
    private let writes: GroupCommit<Feedback, AddedFeedback>
    private let memory = MemoryStore()
    private let disk: Disk
    private let calls = Mutex<[CallContext]>([])

    /// What the writer waits for, and what it wrote.
    private final class Disk: Sendable {
        let isFree = DispatchSemaphore(value: 0)
        let committing = Gate()
        let written = Mutex<[Feedback]>([])

        func commit(_ batch: [Feedback]) -> [Result<AddedFeedback, any Error>] {
            committing.open()
            isFree.wait()
            isFree.signal()
            written.withLock { $0 += batch }
            return batch.map { .success(AddedFeedback(feedback: $0, replayed: false)) }
        }

        /// Opened by the first commit.
        final class Gate: Sendable {
            private let semaphore = DispatchSemaphore(value: 0)
            func open() { semaphore.signal() }
            func wait() {
                semaphore.wait()
                semaphore.signal()
            }
        }
    }

    init(limits: GroupCommitLimits = GroupCommitLimits()) {
        let disk = Disk()
        self.disk = disk
        writes = GroupCommit(label: "test.stalled", limits: limits) { disk.commit($0) }
    }

    /// The comments that reached the disk.
    var writtenComments: [String] { disk.written.withLock { $0.map(\.comment) } }

    /// The contexts of all appends, in the order of their arrival.
    var contexts: [CallContext] { calls.withLock { $0 } }

    /// Returns when the first commit hangs.
    func waitUntilStalled() { disk.committing.wait() }

    /// Lets all commits go on.
    func letGo() { disk.isFree.signal() }

    func append(
        _ feedback: Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback {
        calls.withLock { $0.append(context) }
        return try await writes.submit(feedback, context: context)
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

    func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> Metadata {
        [:]
    }

    func health() async -> StoreHealth { .serving }

    func close() async { await writes.close() }
}
