internal import Synchronization

/// Lets one task wait until others have something for it; any number of signals wakes it once.
package final class WakeUp: Sendable {
    private struct State {
        var isSignalled = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Makes one without a signal.
    package init() {}

    /// Wakes the task that waits, or else the next one that would.
    package func signal() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            state.isSignalled = state.waiter == nil
            return state.waiter
        }
        waiter?.resume()
    }

    /// Returns after a signal, after so long, or when the task is cancelled.
    package func wait(atMost timeout: Duration?) async {
        let timer = timeout.map { timeout in
            Task {
                try await Task.sleep(for: timeout)
                signal()
            }
        }
        defer { timer?.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isSignalled = state.withLock { state in
                    defer { state.isSignalled = false }
                    if !state.isSignalled { state.waiter = continuation }
                    return state.isSignalled
                }
                if isSignalled { continuation.resume() }
            }
        } onCancel: {
            signal()
        }
    }
}
