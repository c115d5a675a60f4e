internal import Synchronization

/// Whether a store has stopped for good, and who wants to know.
package final class StoreFailure: Sendable {
    private struct State {
        var error: FeedbackError?
        var handler: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    package init() {}

    /// What stopped it; nil while it goes on.
    var error: FeedbackError? { state.withLock { $0.error } }

    /// Says that it has stopped; the first time counts.
    func report(_ error: FeedbackError) {
        let handler = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.error == nil else { return nil }
            state.error = error
            return state.handler
        }
        handler?()
    }

    /// Calls the handler when it stops, or now if it has.
    func whenReported(_ handler: @escaping @Sendable () -> Void) {
        let isReported = state.withLock { state in
            state.handler = handler
            return state.error != nil
        }
        if isReported { handler() }
    }
}
