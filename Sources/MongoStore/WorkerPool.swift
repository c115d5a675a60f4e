import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// A fixed number of threads for work that blocks; further work waits in a queue.
///
/// Each worker is a serial queue of its own, so that a blocked one costs a thread and holds up
/// nothing else.
final class WorkerPool: Sendable {
    private struct State {
        var idle: [DispatchQueue]
        /// Those that wait, in the order of their arrival, behind the first `taken`.
        var waiting: [@Sendable () -> Void] = []
        var taken = 0
        var runningCount = 0
        var isClosed = false
        var closers: [UnsafeContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>
    private let queueLengthMax: Int
    private let queueLength = Meter(label: InstrumentName.readQueueLength.rawValue)

    /// - Parameters:
    ///   - label: the beginning of the threads' labels.
    ///   - workersMax: how many run at once.
    ///   - queueLengthMax: how many may run and wait.
    init(label: String, workersMax: Int, queueLengthMax: Int) {
        let queues = (0..<workersMax).reversed().map { DispatchQueue(label: "\(label)-\($0)") }
        state = Mutex(State(idle: queues))
        self.queueLengthMax = queueLengthMax
    }

    /// Runs the body on a worker when its turn comes.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once when too many wait; UNAVAILABLE after ``close()``; the
    ///   reason when the call has ended before its turn; what the body throws.
    func run<T: Sendable>(
        _ context: CallContext,
        _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        queueLength.increment()
        defer { queueLength.decrement() }
        return try await withUnsafeThrowingContinuation { continuation in
            let work: @Sendable () -> Void = {
                if let reason = context.reasonToDrop {
                    continuation.resume(throwing: reason)
                } else {
                    let result = Result { try body() }
                    context.goOn { continuation.resume(with: result) }
                }
            }
            if let refusal = enqueue(work) { continuation.resume(throwing: refusal) }
        }
    }

    /// How much work waits for a worker.
    var waitingCount: Int { state.withLock { $0.waiting.count - $0.taken } }

    /// Refuses further work and returns when the accepted work is done.
    func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.runningCount > 0 { state.closers.append(continuation) }
                return state.runningCount == 0
            }
            if isIdle { continuation.resume() }
        }
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) -> FeedbackError? {
        let (refusal, worker): (FeedbackError?, DispatchQueue?) = state.withLock { state in
            if state.isClosed {
                return (FeedbackError(.unavailable, "the store is closed"), nil)
            }
            if state.runningCount + state.waiting.count - state.taken >= queueLengthMax {
                let limit = "the read queue is full (\(queueLengthMax) reads)"
                return (FeedbackError(.resourceExhausted, limit), nil)
            }
            guard let worker = state.idle.popLast() else {
                state.waiting.append(work)
                return (nil, nil)
            }
            state.runningCount += 1
            return (nil, worker)
        }
        if let worker { worker.async { self.work(on: worker, first: work) } }
        return refusal
    }

    private func work(on worker: DispatchQueue, first: @Sendable () -> Void) {
        first()
        while let next = takeNext(worker) { next() }
    }

    /// The next work, or nil after noting that the worker is idle.
    private func takeNext(_ worker: DispatchQueue) -> (@Sendable () -> Void)? {
        let (next, closers): ((@Sendable () -> Void)?, [UnsafeContinuation<Void, Never>]) =
            state.withLock { state in
                if state.taken < state.waiting.count {
                    state.taken += 1
                    let next = state.waiting[state.taken - 1]
                    if state.taken == state.waiting.count {
                        state.waiting = []
                        state.taken = 0
                    }
                    return (next, [])
                }
                state.idle.append(worker)
                state.runningCount -= 1
                guard state.runningCount == 0 else { return (nil, []) }
                defer { state.closers = [] }
                return (nil, state.closers)
            }
        for closer in closers { closer.resume() }
        return next
    }
}
