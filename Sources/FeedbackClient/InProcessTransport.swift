internal import Dispatch
internal import FeedbackCore
internal import FeedbackModel
internal import Synchronization

/// A transport that calls a service of the same process directly.
struct InProcessTransport: Transport {
    let service: FeedbackService

    func connect() async throws {}

    func close() {}

    func write(_ change: Change, timeout: Duration) async throws -> ChangeOutcome {
        try await run(timeout) { [service] in try await service.write(change, context: $0) }
    }

    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage {
        try await run(timeout) { [service] in try await service.list(query, context: $0) }
    }

    func watch(_ query: WatchQuery) async throws -> any WatchSource {
        do {
            return InProcessWatch(try await service.watch(query))
        } catch {
            throw CallError(error)
        }
    }

    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport {
        try await run(timeout) { [service] in try await service.metrics(query, context: $0) }
    }

    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata {
        try await run(timeout) { [service] in
            try await service.metadata(ofSession: sessionID, context: $0)
        }
    }

    func destinations(timeout: Duration) async throws -> [DestinationStatus] {
        try await run(timeout) { [service] _ in try await service.deliveries.destinations() }
    }

    func pauseDestination(_ name: String, timeout: Duration) async throws -> DestinationStatus {
        try await run(timeout) { [service] _ in try await service.deliveries.pause(name) }
    }

    func resumeDestination(_ name: String, timeout: Duration) async throws -> DestinationStatus {
        try await run(timeout) { [service] _ in try await service.deliveries.resume(name) }
    }

    func rewindDestination(
        _ name: String,
        to position: LogPosition?,
        timeout: Duration
    ) async throws -> DestinationStatus {
        try await run(timeout) { [service] _ in
            try await service.deliveries.rewind(name, to: position)
        }
    }

    func testDestination(_ name: String, timeout: Duration) async throws -> String {
        try await run(timeout) { [service] _ in try await service.deliveries.test(name) }
    }

    func deliveries(_ query: DeliveryQuery, timeout: Duration) async throws -> DeliveryPage {
        try await run(timeout) { [service] _ in try await service.deliveries.deliveries(query) }
    }

    func retryDeliveries(_ selection: DeliverySelection, timeout: Duration) async throws -> Int64 {
        try await run(timeout) { [service] _ in try await service.deliveries.retry(selection) }
    }

    func dropDeliveries(_ selection: DeliverySelection, timeout: Duration) async throws -> Int64 {
        try await run(timeout) { [service] _ in try await service.deliveries.drop(selection) }
    }

    func status(timeout: Duration) async throws -> ServerStatus {
        try await run(timeout) { [service] in try await service.status(context: $0) }
    }

    func isServing(timeout: Duration) async throws -> Bool {
        try await run(timeout) { [service] _ in await service.health() == .serving }
    }

    /// Waits for `work` until the deadline or cancellation, as a caller over the socket would; work
    /// that has begun continues without the caller.
    private func run<Response: Sendable>(
        _ timeout: Duration,
        _ work: @escaping @Sendable (CallContext) async throws -> Response
    ) async throws -> Response {
        let wait = Wait<Response>()
        let context = CallContext(deadline: .now + timeout, cancellation: wait)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                wait.begin(continuation)
                Task {
                    do {
                        wait.end(.success(try await work(context)))
                    } catch {
                        wait.end(.failure(CallError(error)))
                    }
                }
                let (seconds, attoseconds) = timeout.components
                let interval = Double(seconds) + Double(attoseconds) / 1e18
                DispatchQueue.global().asyncAfter(deadline: .now() + interval) { [weak wait] in
                    wait?.end(
                        .failure(CallError(.deadlineExceeded, "the deadline passed"))
                    )
                }
            }
        } onCancel: {
            wait.end(.failure(CallError(.cancelled, "the task was cancelled")))
        }
    }
}

/// A stream of a service of the same process.
private final class InProcessWatch: WatchSource, @unchecked Sendable {
    // Unchecked: only one task at a time calls `next`.
    private var watch: LogWatch

    init(_ watch: LogWatch) { self.watch = watch }

    deinit { Task { [watch] in await watch.close() } }

    func next() async throws -> [WatchEvent]? {
        do { return try await watch.next() } catch { throw CallError(error) }
    }
}

/// The wait of one caller, which ends once.
private final class Wait<Response: Sendable>: CallCancellation {
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
