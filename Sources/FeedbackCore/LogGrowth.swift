internal import Synchronization

/// Tells the readers at the end of a log that it has grown.
///
/// A commit pays two atomic operations for it while nobody waits.
public final class LogGrowth: Sendable {
    private struct Waiters {
        var continuations: [Int: UnsafeContinuation<Void, Never>] = [:]
        var lastKey = 0
    }

    private let growths = Atomic(0)
    private let waiterCount = Atomic(0)
    private let waiters = Mutex(Waiters())

    /// Makes the growth of a log.
    public init() {}

    /// The number of growths so far, for ``wait(after:atMost:)``.
    public var count: Int { growths.load(ordering: .sequentiallyConsistent) }

    /// Wakes all readers that wait.
    public func signal() {
        growths.add(1, ordering: .sequentiallyConsistent)
        guard waiterCount.load(ordering: .sequentiallyConsistent) > 0 else { return }
        let woken = waiters.withLock { waiters in
            defer { waiters.continuations = [:] }
            waiterCount.store(0, ordering: .sequentiallyConsistent)
            return waiters.continuations
        }
        for continuation in woken.values { continuation.resume() }
    }

    /// Waits until the log has grown since ``count`` had this value, at most for `patience`, or until
    /// the task is cancelled.
    public func wait(after count: Int, atMost patience: Duration) async {
        let key = waiters.withLock { waiters in
            waiters.lastKey += 1
            return waiters.lastKey
        }
        let timer = Task {
            try await Task.sleep(for: patience)
            wake(key)
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                waiters.withLock { waiters in
                    waiters.continuations[key] = continuation
                    waiterCount.add(1, ordering: .sequentiallyConsistent)
                }
                // A growth between the look at the log and this was not told to anybody.
                if self.count != count || Task.isCancelled { wake(key) }
            }
        } onCancel: {
            wake(key)
        }
        timer.cancel()
    }

    private func wake(_ key: Int) {
        let continuation = waiters.withLock { waiters in
            let continuation = waiters.continuations.removeValue(forKey: key)
            if continuation != nil { waiterCount.subtract(1, ordering: .sequentiallyConsistent) }
            return continuation
        }
        continuation?.resume()
    }
}
