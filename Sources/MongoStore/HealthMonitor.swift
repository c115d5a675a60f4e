import Dispatch
import FeedbackCore
import FeedbackModel
import Logging
import Synchronization

/// Pings the primary once a second, on a queue of its own, which may block.
///
/// MongoDB counts as serving while its last answer is recent: so both a frozen server and a server
/// that cannot be found for a while are noticed.
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
    private nonisolated(unsafe) let timer: any DispatchSourceTimer  // In init, close, deinit only.
    private let onFirstAnswer: @Sendable () -> Void

    /// Makes a monitor, which starts at once.
    ///
    /// - Parameters:
    ///   - pool: a pool with one connection and short timeouts, so that the next ping can go to
    ///     another primary.
    ///   - database: the database in which the command is run.
    ///   - logger: receives a message when MongoDB stops answering and when it answers again.
    ///   - onFirstAnswer: called once, after the first answer of MongoDB.
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

    /// Stops the pings without waiting for a running one.
    func close() {
        state.withLock { $0.isClosed = true }
        timer.cancel()
    }

    private func ping() {
        do {
            try pool.withClient { _ = try $0.run(["ping": 1], database: database) }
            noteAnswer()
        } catch {
            note((error as? MongoFailure)?.error ?? CallError(.internal, "the store failed"))
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

    private func note(_ error: CallError) {
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
