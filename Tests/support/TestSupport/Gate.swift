internal import Synchronization

/// A gate at which tasks wait until it is opened.
public final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

        mutating func takeSatisfiedWatchers() -> [CheckedContinuation<Void, Never>] {
            let count = waiters.count
            defer { watchers.removeAll { $0.count <= count } }
            return watchers.filter { $0.count <= count }.map(\.continuation)
        }
    }

    private let state = Mutex(State())

    /// Makes a closed gate.
    public init() {}

    /// Returns when the gate is open.
    public func pass() async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state -> [CheckedContinuation<Void, Never>] in
                if state.isOpen { return [continuation] }
                state.waiters.append(continuation)
                return state.takeSatisfiedWatchers()
            }
            for waiter in ready { waiter.resume() }
        }
    }

    /// Returns when `count` tasks wait at the gate.
    public func waiting(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                state.watchers.append((count, continuation))
                return state.takeSatisfiedWatchers()
            }
            for watcher in ready { watcher.resume() }
        }
    }

    /// Opens the gate for all tasks, present and future.
    public func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
