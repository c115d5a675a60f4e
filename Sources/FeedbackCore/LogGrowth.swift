internal import Synchronization

/// Tells the readers at the end of a log that it has grown.
///
/// A commit pays two atomic operations for it while nobody waits. Other processes that write to the
/// same database signal nothing: while anybody waits, one task for all looks for their changes.
public final class LogGrowth: Sendable {
    /// Returns the number of the last change in the database, whoever has made it.
    public typealias Look = @Sendable () async throws -> Int64

    private typealias Continuations = [Int: UnsafeContinuation<Void, Never>]

    private struct Waiters {
        var continuations: Continuations = [:]
        /// The time at which all were last woken, and their number.
        var lastWake = ContinuousClock.now
        var lastWokenCount = 0
        /// True while a task is to wake all.
        var isWakeSet = false
        var lastKey = 0
        /// True while the task looks.
        var isLookedFor = false
        /// The number that was seen last; nil if there is none, or the look has failed.
        var lastSeen: Int64?

        /// The time for which nobody is to be woken.
        var pauseLeft: Duration {
            let count = max(continuations.count, lastWokenCount)
            return lastWake + LogGrowth.pausePerWaiter * max(0, count - 1) - .now
        }
    }

    /// The pause between two wakes of all, for each waiter but the first: a few times what a read
    /// costs.
    private static let pausePerWaiter = Duration.microseconds(500)

    /// The interval of looks for changes of other processes.
    private static let lookInterval = Duration.milliseconds(250)

    private let growths = Atomic(0)
    private let waiterCount = Atomic(0)
    private let waiters = Mutex(Waiters())

    /// Makes the growth of a log.
    public init() {}

    /// The number of growths so far, for ``wait(after:atMost:)``.
    public var count: Int { growths.load(ordering: .sequentiallyConsistent) }

    /// Wakes all readers that wait, at once if there is one, or if they were not woken just before.
    public func signal() {
        growths.add(1, ordering: .sequentiallyConsistent)
        if waiterCount.load(ordering: .sequentiallyConsistent) > 0 { wakeAllInTime() }
    }

    /// Wakes all readers that wait, after a pause since they were last woken: many readers would
    /// otherwise read after each commit, and leave no processor for the next.
    private func wakeAllInTime() {
        let (woken, pause) = waiters.withLock { waiters -> (Continuations, Duration?) in
            let rest = waiters.pauseLeft
            if rest <= .zero { return (takeAll(&waiters), nil) }
            defer { waiters.isWakeSet = true }
            return ([:], waiters.isWakeSet ? nil : rest)
        }
        for continuation in woken.values { continuation.resume() }
        guard let pause else { return }
        Task {
            try? await Task.sleep(for: pause)
            let woken = waiters.withLock { waiters in
                waiters.isWakeSet = false
                return takeAll(&waiters)
            }
            for continuation in woken.values { continuation.resume() }
        }
    }

    private func takeAll(_ waiters: inout Waiters) -> Continuations {
        defer { waiters.continuations = [:] }
        waiterCount.store(0, ordering: .sequentiallyConsistent)
        waiters.lastWake = .now
        waiters.lastWokenCount = waiters.continuations.count
        return waiters.continuations
    }

    /// Waits until the log has grown since ``count`` had this value, at most for `patience`, or until
    /// the task is cancelled.
    ///
    /// - Parameters:
    ///   - count: the value of ``count`` before the waiter has read the log.
    ///   - patience: the longest wait.
    ///   - look: looks for changes of other processes; nil if the waiter looks itself from time to
    ///     time, or there can be none. All that is given must be the same.
    public func wait(after count: Int, atMost patience: Duration, look: Look? = nil) async {
        let end = ContinuousClock.now + patience
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
                let mustLook = waiters.withLock { waiters in
                    waiters.continuations[key] = continuation
                    waiterCount.add(1, ordering: .sequentiallyConsistent)
                    defer { waiters.isLookedFor = waiters.isLookedFor || look != nil }
                    return !waiters.isLookedFor
                }
                if mustLook, let look { Task { await lookWhileWaitedFor(look) } }
                // A growth between the look at the log and this was not told to anybody.
                if self.count != count { wakeAllInTime() }
                // So the timer may have ended.
                if Task.isCancelled || .now >= end { wake(key) }
            }
        } onCancel: {
            wake(key)
        }
        timer.cancel()
    }

    /// Signals the changes of other processes until nobody waits any more.
    ///
    /// This process's own changes are signalled once more then, which does no harm. A look that fails
    /// is signalled, too, so that the waiters meet the reason themselves.
    private func lookWhileWaitedFor(_ look: Look) async {
        while true {
            try? await Task.sleep(for: Self.lookInterval)
            let isWaitedFor = waiters.withLock { waiters in
                waiters.isLookedFor = !waiters.continuations.isEmpty
                return waiters.isLookedFor
            }
            guard isWaitedFor else { return }
            let seen = try? await look()
            let hasGrown = waiters.withLock { waiters in
                defer { waiters.lastSeen = seen }
                return seen == nil || seen != waiters.lastSeen
            }
            if hasGrown { signal() }
        }
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
