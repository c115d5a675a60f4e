import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// A fixed number of threads for blocking reads; further ones wait in a ``ReadQueue``.
///
/// Each worker is a serial dispatch queue, so that a blocked one costs a thread and delays nothing
/// else.
final class WorkerPool: Sendable {
    private let queue: ReadQueue
    private let idle: Mutex<[DispatchQueue]>

    /// Makes a pool.
    ///
    /// - Parameters:
    ///   - label: the prefix of the workers' labels.
    ///   - workersMax: the number of workers.
    ///   - queueLengthMax: the maximum number of reads that run or wait.
    init(label: String, workersMax: Int, queueLengthMax: Int) {
        queue = ReadQueue(readersMax: workersMax, lengthMax: queueLengthMax)
        idle = Mutex((0..<workersMax).reversed().map { DispatchQueue(label: "\(label)-\($0)") })
    }

    /// Runs the body on a worker when its turn comes.
    ///
    /// - Throws: the errors of ``ReadQueue/run(_:_:)`` and of the body.
    func run<T: Sendable>(
        _ context: CallContext,
        _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        try await queue.run(context) { [self] end in
            guard let worker = idle.withLock({ $0.popLast() }) else {
                preconditionFailure("no more reads are begun than there are workers")
            }
            worker.async { [self] in
                let result = Result { try body() }
                idle.withLock { $0.append(worker) }
                end(result)
            }
        }
    }

    /// The number of reads that wait for a worker.
    var waitingCount: Int { queue.waitingCount }

    /// Refuses further reads and returns when the accepted ones have ended.
    func close() async { await queue.close() }
}
