internal import CoreMetrics
package import FeedbackModel
internal import Synchronization

/// The queue of all reads of a store: callers take turns, whatever number of calls each has.
///
/// A caller is a process; it leaves one of the store's readers, and an eighth of the places in the
/// queue, to others.
package final class ReadQueue: Sendable {
    private struct Read: Sendable {
        let context: CallContext
        let begin: @Sendable () -> Void
        let drop: @Sendable (CallError) -> Void
    }

    private struct State {
        var turns: TurnQueue<Read>
        var isClosed = false
        var closeWaiters: [UnsafeContinuation<Void, Never>] = []

        mutating func takeCloseWaiters() -> [UnsafeContinuation<Void, Never>] {
            guard turns.isIdle else { return [] }
            defer { closeWaiters = [] }
            return closeWaiters
        }
    }

    private let state: Mutex<State>
    private let queueLength = Meter(label: CoreInstrument.readQueueLength.rawValue)

    /// Makes a queue.
    ///
    /// - Parameters:
    ///   - readersMax: the maximum number of reads at once.
    ///   - lengthMax: the maximum number of reads that run or wait.
    package init(readersMax: Int, lengthMax: Int) {
        state = Mutex(State(turns: TurnQueue(runningMax: readersMax, lengthMax: lengthMax)))
    }

    /// Waits for the read's turn, and for its end.
    ///
    /// - Parameters:
    ///   - context: the context of the call.
    ///   - begin: begins the read, on any thread, and must not block that; it is given a function
    ///     that ends the read and must be called once.
    /// - Returns: the value with which the read has ended.
    /// - Throws: RESOURCE_EXHAUSTED at once if too many reads wait; UNAVAILABLE after ``close()``;
    ///   DEADLINE_EXCEEDED or CANCELLED if the call ended before its turn; the error of the read.
    package func run<Value: Sendable>(
        _ context: CallContext,
        _ begin:
            @escaping @Sendable (
                _ end: @escaping @Sendable (Result<Value, any Error>) -> Void
            ) -> Void
    ) async throws -> Value {
        queueLength.increment()
        defer { queueLength.decrement() }
        return try await withUnsafeThrowingContinuation { continuation in
            let read = Read(context: context) { [self] in
                begin { [self] result in
                    ended(context)
                    continuation.resume(with: result)
                }
            } drop: { reason in
                continuation.resume(throwing: reason)
            }
            if let refusal = add(read) {
                continuation.resume(throwing: refusal)
            } else {
                beginNext()
            }
        }
    }

    /// The number of reads that wait for their turn.
    package var waitingCount: Int { state.withLock { $0.turns.waitingCount } }

    /// Refuses further reads and returns when the accepted ones have ended.
    package func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                let isIdle = state.turns.isIdle
                if !isIdle { state.closeWaiters.append(continuation) }
                return isIdle
            }
            if isIdle { continuation.resume() }
        }
    }

    private func add(_ read: Read) -> CallError? {
        state.withLock { state in
            if state.isClosed { return CallError(.unavailable, "the store is closed") }
            return state.turns.add(read, of: read.context.peer)
        }
    }

    private func ended(_ context: CallContext) {
        let closeWaiters = state.withLock { state in
            state.turns.ended(of: context.peer)
            return state.takeCloseWaiters()
        }
        for closer in closeWaiters { closer.resume() }
        beginNext()
    }

    /// Begins the reads whose turn it is; those whose calls have ended are dropped instead.
    private func beginNext() {
        while let read = state.withLock({ $0.turns.next() }) {
            guard let reason = read.context.dropError else {
                read.begin()
                continue
            }
            let closeWaiters = state.withLock { state in
                state.turns.ended(of: read.context.peer)
                return state.takeCloseWaiters()
            }
            read.drop(reason)
            for closer in closeWaiters { closer.resume() }
        }
    }
}
