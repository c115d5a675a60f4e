import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// A fixed number of threads for blocking work; further work waits in a queue.
///
/// Each worker is a serial dispatch queue, so that a blocked one costs a thread and delays nothing
/// else.
final class WorkerPool: Sendable {
    private struct State {
        var idle: [DispatchQueue]
        /// The waiting work in the order of arrival; the first `taken` elements have been started.
        var waiting: [@Sendable () -> Void] = []
        var taken = 0
        var runningCount = 0
        var isClosed = false
        var closeWaiters: [UnsafeContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>
    private let queueLengthMax: Int
    private let queueLength = Meter(label: CoreInstrument.readQueueLength.rawValue)

    /// Makes a pool.
    ///
    /// - Parameters:
    ///   - label: the prefix of the workers' labels.
    ///   - workersMax: the number of workers.
    ///   - queueLengthMax: the maximum number of pieces of work that run or wait.
    init(label: String, workersMax: Int, queueLengthMax: Int) {
        let queues = (0..<workersMax).reversed().map { DispatchQueue(label: "\(label)-\($0)") }
        state = Mutex(State(idle: queues))
        self.queueLengthMax = queueLengthMax
    }

    /// Runs the body on a worker when its turn comes.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once if too many wait; UNAVAILABLE after ``close()``;
    ///   DEADLINE_EXCEEDED or CANCELLED if the call ended before its turn; the errors of the body.
    func run<T: Sendable>(
        _ context: CallContext,
        _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        queueLength.increment()
        defer { queueLength.decrement() }
        return try await withUnsafeThrowingContinuation { continuation in
            let work: @Sendable () -> Void = {
                if let reason = context.dropError {
                    continuation.resume(throwing: reason)
                } else {
                    continuation.resume(with: Result { try body() })
                }
            }
            if let refusal = enqueue(work) { continuation.resume(throwing: refusal) }
        }
    }

    /// The number of pieces of work that wait for a worker.
    var waitingCount: Int { state.withLock { $0.waiting.count - $0.taken } }

    /// Refuses further work and returns when the accepted work is done.
    func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.runningCount > 0 { state.closeWaiters.append(continuation) }
                return state.runningCount == 0
            }
            if isIdle { continuation.resume() }
        }
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) -> CallError? {
        let (refusal, worker): (CallError?, DispatchQueue?) = state.withLock { state in
            if state.isClosed {
                return (CallError(.unavailable, "the store is closed"), nil)
            }
            if state.runningCount + state.waiting.count - state.taken >= queueLengthMax {
                let limit = "the read queue is full (\(queueLengthMax) reads)"
                return (CallError(.resourceExhausted, limit), nil)
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

    /// Returns the next work; nil, after marking the worker as idle, if there is none.
    private func takeNext(_ worker: DispatchQueue) -> (@Sendable () -> Void)? {
        let (next, closeWaiters): ((@Sendable () -> Void)?, [UnsafeContinuation<Void, Never>]) =
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
                defer { state.closeWaiters = [] }
                return (nil, state.closeWaiters)
            }
        for closer in closeWaiters { closer.resume() }
        return next
    }
}
