internal import CoreMetrics
internal import Dispatch
internal import FeedbackModel
internal import Synchronization

/// The limits of a ``GroupCommit``.
public struct GroupCommitLimits: Sendable {
    /// How many writes may wait; one more is refused.
    public var queueLengthMax: Int
    /// How many writes one transaction takes.
    public var batchLengthMax: Int

    /// Makes limits.
    public init(queueLengthMax: Int = 16_384, batchLengthMax: Int = 1_024) {
        self.queueLengthMax = queueLengthMax
        self.batchLengthMax = batchLengthMax
    }
}

/// Makes one transaction of the writes that arrive while the former is being committed.
///
/// There is one writer: a serial queue of its own, on which `commit` may block. It is given all
/// writes that wait, in the order of their arrival; a write that arrives at an idle writer is
/// committed alone, at once. Writes whose caller is gone when their turn comes are dropped.
public final class GroupCommit<Write: Sendable, Outcome: Sendable>: Sendable {
    /// Commits a batch and returns one result per write, in order.
    public typealias Commit = @Sendable ([Write]) -> [Result<Outcome, any Error>]

    private struct Waiting {
        var write: Write
        var context: CallContext
        var continuation: UnsafeContinuation<Outcome, any Error>
    }

    private struct State {
        var waiting: [Waiting] = []
        var writerIsRunning = false
        var isClosed = false
        var closers: [UnsafeContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let writer: DispatchQueue
    private let limits: GroupCommitLimits
    private let commit: Commit
    private let instruments: WriteInstruments?

    /// Makes an idle writer with a queue of the given label.
    public init(label: String, limits: GroupCommitLimits, commit: @escaping Commit) {
        self.writer = DispatchQueue(label: label)
        self.limits = limits
        self.commit = commit
        instruments = WriteInstruments()
    }

    /// Waits for the write's turn and its commit.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once when the queue is full; UNAVAILABLE after ``close()``;
    ///   CANCELLED or DEADLINE_EXCEEDED when the call had ended before its turn; what `commit` gave.
    public func submit(_ write: Write, context: CallContext) async throws -> Outcome {
        try await withUnsafeThrowingContinuation { continuation in
            let waiting = Waiting(write: write, context: context, continuation: continuation)
            if let refusal = enqueue(waiting) { continuation.resume(throwing: refusal) }
        }
    }

    /// How many writes wait for the commit under way.
    package var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Refuses further writes and returns when the accepted ones are committed.
    public func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.writerIsRunning { state.closers.append(continuation) }
                return !state.writerIsRunning
            }
            if isIdle { continuation.resume() }
        }
    }

    private func enqueue(_ waiting: Waiting) -> FeedbackError? {
        let (refusal, startWriter): (FeedbackError?, Bool) = state.withLock { state in
            if state.isClosed {
                return (FeedbackError(.unavailable, "the store is closed"), false)
            }
            if state.waiting.count >= limits.queueLengthMax {
                let limit = "the write queue is full (\(limits.queueLengthMax) writes)"
                return (FeedbackError(.resourceExhausted, limit), false)
            }
            state.waiting.append(waiting)
            instruments?.queueLength.increment()
            defer { state.writerIsRunning = true }
            return (nil, !state.writerIsRunning)
        }
        if startWriter { writer.async { self.run() } }
        return refusal
    }

    private func run() {
        while let batch = takeBatch() {
            var live: [Waiting] = []
            live.reserveCapacity(batch.count)
            for waiting in batch {
                if let reason = waiting.context.reasonToDrop {
                    waiting.continuation.resume(throwing: reason)
                } else {
                    live.append(waiting)
                }
            }
            if live.isEmpty { continue }
            let begin = instruments == nil ? nil : DispatchTime.now()
            let results = commit(live.map(\.write))
            if let instruments, let begin {
                let end = DispatchTime.now()
                instruments.batchSize.record(live.count)
                instruments.writeTime.recordNanoseconds(
                    end.uptimeNanoseconds - begin.uptimeNanoseconds
                )
            }
            precondition(results.count == live.count, "one result per write")
            for (waiting, result) in zip(live, results) {
                waiting.continuation.resume(with: result)
            }
        }
    }

    /// The next batch, or nil after noting that the writer stops.
    private func takeBatch() -> [Waiting]? {
        let (batch, closers): ([Waiting]?, [UnsafeContinuation<Void, Never>]) =
            state.withLock { state in
                if state.waiting.isEmpty {
                    state.writerIsRunning = false
                    defer { state.closers = [] }
                    return (nil, state.closers)
                }
                var batch: [Waiting] = []
                if state.waiting.count <= limits.batchLengthMax {
                    swap(&batch, &state.waiting)
                } else {
                    batch = Array(state.waiting.prefix(limits.batchLengthMax))
                    state.waiting.removeFirst(limits.batchLengthMax)
                }
                instruments?.queueLength.decrement(by: Double(batch.count))
                return (batch, [])
            }
        for closer in closers { closer.resume() }
        return batch
    }
}

/// What is recorded of the writes of all queues together; nil if nobody collects it.
private struct WriteInstruments: Sendable {
    let queueLength = Meter(label: InstrumentName.writeQueueLength.rawValue)
    let batchSize = Recorder(label: InstrumentName.writeBatchSize.rawValue)
    let writeTime = Timer(label: InstrumentName.writeTime.rawValue)

    init?() {
        if MetricsSystem.factory is NOOPMetricsHandler { return nil }
    }
}
