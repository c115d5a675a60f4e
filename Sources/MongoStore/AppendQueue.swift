import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// Makes batches of the appends that arrive while others are being committed, as the SQLite
/// store does, but for several writers.
///
/// Each writer is a serial queue of its own, on which `commit` may block. An append that arrives
/// when all writers are idle is committed alone, at once; what ``AppendBacklog`` says decides
/// whether a second writer begins while the first is busy. After a lone append, the writer itself
/// goes on with its call and waits for the next as ``WriterPatience`` says.
final class AppendQueue: Sendable {
    /// Commits a batch and returns one result per append, in order.
    typealias Commit = @Sendable ([Append]) -> [Result<AddedFeedback, any Error>]

    private struct Waiting: Sendable {
        let append: Append
        let continuation: UnsafeContinuation<AddedFeedback, any Error>
    }

    private typealias Backlog = AppendBacklog<Waiting>

    private struct State {
        var backlog: Backlog
        var idleWriters: [DispatchQueue]
        var patience = WriterPatience()
        /// Whether a writer waits for the next append: no other has to be woken up for that one.
        var isAwaited = false
        var isClosed = false
        var closers: [UnsafeContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>
    private let writerCount: Int
    private let queueLengthMax: Int
    private let commit: Commit
    private let instruments = WriteInstruments()

    /// Makes idle writers with queues whose labels begin with the given one.
    init(label: String, writerCount: Int, limits: GroupCommitLimits, commit: @escaping Commit) {
        let writers = (0..<writerCount).map { DispatchQueue(label: "\(label).\($0)") }
        let backlog = Backlog(batchLengthMax: limits.batchLengthMax)
        state = Mutex(State(backlog: backlog, idleWriters: writers))
        self.writerCount = writerCount
        queueLengthMax = limits.queueLengthMax
        self.commit = commit
    }

    /// Waits for the append's turn and its commit.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once when the queue is full; UNAVAILABLE after ``close()``;
    ///   what `commit` gave.
    func submit(_ append: Append) async throws -> AddedFeedback {
        try await withUnsafeThrowingContinuation { continuation in
            let waiting = Waiting(append: append, continuation: continuation)
            if let refusal = enqueue(waiting) { continuation.resume(throwing: refusal) }
        }
    }

    /// Refuses further appends and returns when the accepted ones are committed.
    func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.idleWriters.count < writerCount { state.closers.append(continuation) }
                return state.idleWriters.count == writerCount
            }
            if isIdle { continuation.resume() }
        }
    }

    private func enqueue(_ waiting: Waiting) -> FeedbackError? {
        let (refusal, writer): (FeedbackError?, DispatchQueue?) = state.withLock { state in
            if state.isClosed {
                return (FeedbackError(.unavailable, "the store is closed"), nil)
            }
            if state.backlog.waitingCount >= queueLengthMax {
                let limit = "the write queue is full (\(queueLengthMax) writes)"
                return (FeedbackError(.resourceExhausted, limit), nil)
            }
            let session = ExactText(waiting.append.feedback.sessionID)
            state.backlog.append(waiting, session: session)
            instruments?.queueLength.increment()
            if state.isAwaited, state.backlog.waitingCount == 1 { return (nil, nil) }
            if state.backlog.isBusy(session) || !state.backlog.isWorthABatch { return (nil, nil) }
            if state.idleWriters.count == writerCount { state.patience.noteWrite() }
            return (nil, state.idleWriters.popLast())
        }
        if let writer { writer.async { self.run(on: writer) } }
        return refusal
    }

    private func run(on writer: DispatchQueue) {
        var done: Backlog.Batch?
        while let batch = takeBatch(after: done, orIdle: writer) {
            let begin = instruments == nil ? nil : DispatchTime.now()
            let results = commit(batch.elements.map(\.append))
            precondition(results.count == batch.elements.count, "one result per append")
            if let begin { instruments?.recordBatch(of: results.count, since: begin) }
            answer(batch.elements, results)
            done = batch
        }
    }

    private func answer(
        _ batch: [Waiting],
        _ results: [Result<AddedFeedback, any Error>]
    ) {
        if batch.count == 1, waitingCount == 0 {
            let context = batch[0].append.context
            context.goOn { batch[0].continuation.resume(with: results[0]) }
            waitForNext(context)
        } else {
            for (waiting, result) in zip(batch, results) {
                waiting.continuation.resume(with: result)
            }
        }
    }

    private var waitingCount: Int { state.withLock { $0.backlog.waitingCount } }

    /// Returns when an append has come, or probably will not come soon.
    private func waitForNext(_ context: CallContext) {
        let end = state.withLock { state in
            // One writer that waits is enough.
            let end = state.isAwaited ? nil : state.patience.end
            state.isAwaited = state.isAwaited || end != nil
            return end
        }
        guard let end else { return }
        context.attend { waitingCount == 0 && ContinuousClock.now < end }
        state.withLock { state in
            state.isAwaited = false
            if state.backlog.waitingCount == 0 { state.patience.noteEnd() }
        }
    }

    /// The writer's next batch, or nil after noting that it is idle.
    private func takeBatch(
        after done: Backlog.Batch?,
        orIdle writer: DispatchQueue
    ) -> Backlog.Batch? {
        let (batch, closers): (Backlog.Batch?, [UnsafeContinuation<Void, Never>]) =
            state.withLock { state in
                if let done { state.backlog.finish(done) }
                if let batch = state.backlog.takeBatch() {
                    instruments?.queueLength.decrement(by: Double(batch.elements.count))
                    return (batch, [])
                }
                state.idleWriters.append(writer)
                guard state.idleWriters.count == writerCount else { return (nil, []) }
                state.patience.noteRest()
                defer { state.closers = [] }
                return (nil, state.closers)
            }
        for closer in closers { closer.resume() }
        return batch
    }
}
