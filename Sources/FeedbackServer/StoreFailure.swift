internal import Synchronization

/// Records that a store has stopped for good, and informs an observer.
package final class StoreFailure: Sendable {
    private struct State {
        var error: CallError?
        var handler: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    package init() {}

    /// The error that stopped the store; nil while the store works.
    var error: CallError? { state.withLock { $0.error } }

    /// Records that the store has stopped; only the first error is kept.
    func report(_ error: CallError) {
        let handler = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.error == nil else { return nil }
            state.error = error
            return state.handler
        }
        handler?()
    }

    /// Calls the handler when the store stops, or at once if it has stopped.
    func whenReported(_ handler: @escaping @Sendable () -> Void) {
        let isReported = state.withLock { state in
            state.handler = handler
            return state.error != nil
        }
        if isReported { handler() }
    }
}
