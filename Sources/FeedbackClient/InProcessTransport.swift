internal import Dispatch
internal import FeedbackCore
internal import FeedbackModel
internal import Synchronization

/// Calls a service of the same process, without a wire.
struct InProcessTransport: Transport {
    let service: FeedbackService

    func connect() async throws {}

    func close() {}

    func add(_ draft: FeedbackDraft, timeout: Duration) async throws -> AddedFeedback {
        try await run(timeout) { [service] in try await service.add(draft, context: $0) }
    }

    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage {
        try await run(timeout) { [service] in try await service.list(query, context: $0) }
    }

    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport {
        try await run(timeout) { [service] in try await service.metrics(query, context: $0) }
    }

    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata {
        try await run(timeout) { [service] in
            try await service.metadata(ofSession: sessionID, context: $0)
        }
    }

    func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        timeout: Duration
    ) async throws -> Metadata {
        try await run(timeout) { [service] in
            try await service.changeMetadata(ofSession: sessionID, by: change, context: $0)
        }
    }

    func alerts(_ query: AlertQuery, timeout: Duration) async throws -> AlertPage {
        try await run(timeout) { [service] _ in try await service.alerts(query) }
    }

    func retryAlerts(_ ids: [Int64], timeout: Duration) async throws -> Int64 {
        try await run(timeout) { [service] _ in Int64(try await service.retryAlerts(ids)) }
    }

    func isServing(timeout: Duration) async throws -> Bool {
        try await run(timeout) { [service] _ in await service.health() == .serving }
    }

    /// Waits for the work as a caller over the socket would: until its deadline or cancellation at
    /// most, while work that has begun goes on by itself.
    private func run<Response: Sendable>(
        _ timeout: Duration,
        _ work: @escaping @Sendable (CallContext) async throws -> Response
    ) async throws -> Response {
        let wait = Wait<Response>()
        let context = CallContext(deadline: .now + timeout, origin: wait)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                wait.begin(continuation)
                Task {
                    do {
                        wait.end(.success(try await work(context)))
                    } catch {
                        wait.end(.failure(error.asFeedbackError))
                    }
                }
                let (seconds, attoseconds) = timeout.components
                let interval = Double(seconds) + Double(attoseconds) / 1e18
                DispatchQueue.global().asyncAfter(deadline: .now() + interval) { [weak wait] in
                    wait?.end(
                        .failure(FeedbackError(.deadlineExceeded, "the deadline passed"))
                    )
                }
            }
        } onCancel: {
            wait.end(.failure(FeedbackError(.cancelled, "the task was cancelled")))
        }
    }
}

/// One caller's wait, which ends once.
private final class Wait<Response: Sendable>: CallOrigin {
    private struct State {
        var continuation: CheckedContinuation<Response, any Error>?
        var outcome: Result<Response, any Error>?
    }

    private let state = Mutex(State())

    var isCancelled: Bool { state.withLock { $0.outcome != nil } }

    func begin(_ continuation: CheckedContinuation<Response, any Error>) {
        let outcome = state.withLock { state in
            if state.outcome == nil { state.continuation = continuation }
            return state.outcome
        }
        if let outcome { continuation.resume(with: outcome) }
    }

    func end(_ outcome: Result<Response, any Error>) {
        let continuation = state.withLock { state -> CheckedContinuation<Response, any Error>? in
            guard state.outcome == nil else { return nil }
            state.outcome = outcome
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(with: outcome)
    }
}

extension Error {
    /// The same as a server would make of it.
    fileprivate var asFeedbackError: FeedbackError {
        switch self {
        case let error as FeedbackError: error
        case is CancellationError: FeedbackError(.cancelled, "the call was cancelled")
        default: FeedbackError(.internal, "internal error", cause: self)
        }
    }
}
