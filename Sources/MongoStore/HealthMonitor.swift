import Dispatch
import FeedbackCore
import FeedbackModel
import Logging
import Synchronization

/// Asks the primary once a second whether it serves, on a thread of its own, which may block.
///
/// MongoDB counts as serving while its last answer is fresh: so a server that is frozen, and one
/// that nobody has found for a while, are both noticed.
final class HealthMonitor: Sendable {
    private struct State {
        var lastAnswer: ContinuousClock.Instant?
        var reason = "MongoDB has not answered yet"
        var isServing = false
        var isClosed = false
    }

    private let state = Mutex(State())
    private let pool: ClientPool
    private let database: String
    private let logger: Logger
    private let queue = DispatchQueue(label: "feedbackd.mongo.monitor")
    private nonisolated(unsafe) let timer: any DispatchSourceTimer  // Used in init and close only.
    private let onFirstAnswer: @Sendable () -> Void

    /// Starts at once.
    ///
    /// - Parameters:
    ///   - pool: one connection, which gives up soon, so that the next question can go to another
    ///     primary.
    ///   - database: the one to ask in.
    ///   - logger: is told when MongoDB goes and when it comes back.
    ///   - onFirstAnswer: is called once, when MongoDB has answered the first time.
    init(
        _ pool: ClientPool,
        database: String,
        logger: Logger,
        onFirstAnswer: @escaping @Sendable () -> Void
    ) {
        self.pool = pool
        self.database = database
        self.logger = logger
        self.onFirstAnswer = onFirstAnswer
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.setEventHandler { [weak self] in self?.ping() }
        timer.schedule(deadline: .now(), repeating: MongoStoreLimits.pingInterval / .seconds(1))
        timer.activate()
    }

    deinit { timer.cancel() }

    var health: StoreHealth {
        state.withLock { state in
            if state.isClosed { return .notServing("the store is closed") }
            guard let lastAnswer = state.lastAnswer, state.isServing else {
                return .notServing(state.reason)
            }
            if .now - lastAnswer > MongoStoreLimits.answerAgeMax {
                return .notServing("MongoDB does not answer")
            }
            return .serving
        }
    }

    /// Asks no more; a question under way is not waited for.
    func close() {
        state.withLock { $0.isClosed = true }
        timer.cancel()
    }

    private func ping() {
        do {
            try pool.withClient { _ = try $0.run(["ping": 1], database: database) }
            noteAnswer()
        } catch {
            note((error as? MongoFailure)?.error ?? FeedbackError(.internal, "the store failed"))
        }
    }

    private func noteAnswer() {
        let (isFirst, isNew) = state.withLock { state in
            defer {
                state.lastAnswer = .now
                state.isServing = true
            }
            return (state.lastAnswer == nil, !state.isServing)
        }
        if isNew { logger.info("MongoDB answers") }
        if isFirst { onFirstAnswer() }
    }

    private func note(_ error: FeedbackError) {
        let isNew = state.withLock { state in
            defer {
                state.isServing = false
                state.reason = error.message
            }
            return !state.isClosed && (state.isServing || state.reason != error.message)
        }
        if isNew { logger.warning("the store does not serve: \(error.message)") }
    }
}
