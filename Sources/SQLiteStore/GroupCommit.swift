import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// Makes one transaction of the writes that arrive while the former is being committed.
///
/// There is one writer: a serial queue of its own, on which `commit` may block. It is given all
/// writes that wait, in the order of their arrival; a write that arrives at an idle writer is
/// committed alone, at once. Writes whose caller is gone when their turn comes are dropped.
///
/// After a lone write, the writer itself goes on with its call and waits for the next as
/// ``WriterPatience`` says.
final class GroupCommit<Write: Sendable, Outcome: Sendable>: Sendable {
    /// Commits a batch and returns one result per write, in order.
    typealias Commit = @Sendable ([Write]) -> [Result<Outcome, any Error>]

    private struct Caller {
        var context: CallContext
        var continuation: UnsafeContinuation<Outcome, any Error>
    }

    /// Writes and, at the same places, who waits for them.
    private struct Batch {
        var writes: [Write] = []
        var callers: [Caller] = []

        var count: Int { writes.count }

        mutating func append(_ write: Write, _ caller: Caller) {
            writes.append(write)
            callers.append(caller)
        }

        mutating func removeFirst(_ count: Int) {
            writes.removeFirst(count)
            callers.removeFirst(count)
        }
    }

    private struct State {
        var waiting = Batch()
        var writerIsRunning = false
        var patience = WriterPatience()
        var isClosed = false
        var closers: [UnsafeContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let writer: DispatchQueue
    private let limits: GroupCommitLimits
    private let commit: Commit
    private let instruments: WriteInstruments?

    /// Makes an idle writer with a queue of the given label.
    init(label: String, limits: GroupCommitLimits, commit: @escaping Commit) {
        self.writer = DispatchQueue(label: label)
        self.limits = limits
        self.commit = commit
        instruments = WriteInstruments()
    }

    /// Waits for the write's turn and its commit.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once when the queue is full; UNAVAILABLE after ``close()``;
    ///   CANCELLED or DEADLINE_EXCEEDED when the call had ended before its turn; what `commit` gave.
    func submit(_ write: Write, context: CallContext) async throws -> Outcome {
        try await withUnsafeThrowingContinuation { continuation in
            let caller = Caller(context: context, continuation: continuation)
            if let refusal = enqueue(write, caller) { continuation.resume(throwing: refusal) }
        }
    }

    /// How many writes wait for the commit under way.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Refuses further writes and returns when the accepted ones are committed.
    func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.writerIsRunning { state.closers.append(continuation) }
                return !state.writerIsRunning
            }
            if isIdle { continuation.resume() }
        }
    }

    private func enqueue(_ write: Write, _ caller: Caller) -> FeedbackError? {
        let (refusal, startWriter): (FeedbackError?, Bool) = state.withLock { state in
            if state.isClosed {
                return (FeedbackError(.unavailable, "the store is closed"), false)
            }
            if state.waiting.count >= limits.queueLengthMax {
                let limit = "the write queue is full (\(limits.queueLengthMax) writes)"
                return (FeedbackError(.resourceExhausted, limit), false)
            }
            state.waiting.append(write, caller)
            instruments?.queueLength.increment()
            if state.writerIsRunning { return (nil, false) }
            state.writerIsRunning = true
            state.patience.noteWrite()
            return (nil, true)
        }
        if startWriter { writer.async { self.run() } }
        return refusal
    }

    private func run() {
        while let batch = takeBatch() {
            let live = withoutDropped(batch)
            if live.count == 0 { continue }
            let begin = instruments == nil ? nil : DispatchTime.now()
            let results = commit(live.writes)
            if let begin { instruments?.recordBatch(of: live.count, since: begin) }
            precondition(results.count == live.count, "one result per write")
            answer(live.callers, results)
        }
    }

    private func answer(_ callers: [Caller], _ results: [Result<Outcome, any Error>]) {
        if callers.count == 1, waitingCount == 0 {
            callers[0].context.goOn { callers[0].continuation.resume(with: results[0]) }
            waitForNext(callers[0].context)
        } else {
            for index in results.indices {
                callers[index].continuation.resume(with: results[index])
            }
        }
    }

    /// Returns when a write has come, or probably will not come soon.
    private func waitForNext(_ context: CallContext) {
        guard let end = state.withLock({ $0.patience.end }) else { return }
        context.attend { waitingCount == 0 && ContinuousClock.now < end }
        state.withLock { if $0.waiting.count == 0 { $0.patience.noteEnd() } }
    }

    /// The batch without the writes whose callers are gone, who are told so.
    private func withoutDropped(_ batch: Batch) -> Batch {
        // Nearly always all wait.
        if batch.callers.allSatisfy({ $0.context.reasonToDrop == nil }) { return batch }
        var live = Batch()
        for (write, caller) in zip(batch.writes, batch.callers) {
            if let reason = caller.context.reasonToDrop {
                caller.continuation.resume(throwing: reason)
            } else {
                live.append(write, caller)
            }
        }
        return live
    }

    /// The next batch, or nil after noting that the writer stops.
    private func takeBatch() -> Batch? {
        let (batch, closers): (Batch?, [UnsafeContinuation<Void, Never>]) =
            state.withLock { state in
                if state.waiting.count == 0 {
                    state.writerIsRunning = false
                    state.patience.noteRest()
                    defer { state.closers = [] }
                    return (nil, state.closers)
                }
                var batch = Batch()
                if state.waiting.count <= limits.batchLengthMax {
                    swap(&batch, &state.waiting)
                } else {
                    batch.writes = Array(state.waiting.writes.prefix(limits.batchLengthMax))
                    batch.callers = Array(state.waiting.callers.prefix(limits.batchLengthMax))
                    state.waiting.removeFirst(limits.batchLengthMax)
                }
                instruments?.queueLength.decrement(by: Double(batch.count))
                return (batch, [])
            }
        for closer in closers { closer.resume() }
        return batch
    }
}
