internal import FeedbackMessages
internal import FeedbackModel
internal import RPC

/// A transport that calls a daemon through its socket.
struct SocketTransport: Transport {
    private let rpc: RPCClient

    init(address: UnixSocketAddress) throws { rpc = try RPCClient(address: address) }

    func connect() async throws {
        do { try await rpc.connect() } catch { throw CallError(error) }
    }

    func close() { rpc.close() }

    func write(_ change: Change, timeout: Duration) async throws -> ChangeOutcome {
        let method =
            switch change.action {
            case .add: FeedbackMethods.addFeedback
            case .updateMetadata: SessionMethods.updateMetadata
            case .deleteMetadata: SessionMethods.deleteMetadata
            }
        return try await call(method, change, timeout)
    }

    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage {
        try await call(FeedbackMethods.listFeedbacks, query, timeout)
    }

    func watch(_ query: WatchQuery) async throws -> any WatchSource {
        let method = FeedbackMethods.watchFeedbacks
        do {
            return SocketWatch(
                responses: try await rpc.stream(
                    method.service,
                    method.name,
                    encode: { arena in try method.encodeRequest(query, arena) },
                    decode: method.decodeResponse
                )
            )
        } catch {
            throw CallError(error)
        }
    }

    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport {
        try await call(FeedbackMethods.getMetrics, query, timeout)
    }

    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata {
        try await call(SessionMethods.getMetadata, sessionID, timeout)
    }

    func destinations(timeout: Duration) async throws -> [DestinationStatus] {
        try await call(DeliveryMethods.listDestinations, (), timeout)
    }

    func pauseDestination(_ name: String, timeout: Duration) async throws -> DestinationStatus {
        try await call(DeliveryMethods.pauseDestination, name, timeout)
    }

    func resumeDestination(_ name: String, timeout: Duration) async throws -> DestinationStatus {
        try await call(DeliveryMethods.resumeDestination, name, timeout)
    }

    func rewindDestination(
        _ name: String,
        to position: LogPosition?,
        timeout: Duration
    ) async throws -> DestinationStatus {
        try await call(DeliveryMethods.rewindDestination, (name, position), timeout)
    }

    func testDestination(_ name: String, timeout: Duration) async throws -> String {
        try await call(DeliveryMethods.testDestination, name, timeout)
    }

    func deliveries(_ query: DeliveryQuery, timeout: Duration) async throws -> DeliveryPage {
        try await call(DeliveryMethods.listDeliveries, query, timeout)
    }

    func retryDeliveries(_ selection: DeliverySelection, timeout: Duration) async throws -> Int64 {
        try await call(DeliveryMethods.retryDeliveries, selection, timeout)
    }

    func dropDeliveries(_ selection: DeliverySelection, timeout: Duration) async throws -> Int64 {
        try await call(DeliveryMethods.dropDeliveries, selection, timeout)
    }

    func status(timeout: Duration) async throws -> ServerStatus {
        try await call(AdminMethods.getStatus, (), timeout)
    }

    func isServing(timeout: Duration) async throws -> Bool {
        do {
            return try await HealthService.check(with: rpc, timeout: timeout)
        } catch {
            throw CallError(error)
        }
    }

    private func call<Request: Sendable, Response: Sendable>(
        _ method: MethodCodec<Request, Response>,
        _ request: Request,
        _ timeout: Duration
    ) async throws -> Response {
        do {
            return try await rpc.call(
                method.service,
                method.name,
                timeout: timeout,
                encode: { arena in try method.encodeRequest(request, arena) },
                decode: method.decodeResponse
            )
        } catch {
            throw CallError(error)
        }
    }
}

private struct SocketWatch: WatchSource {
    let responses: RPCResponses<WatchEvent>

    func next() async throws -> [WatchEvent]? {
        do { return try await responses.next() } catch { throw CallError(error) }
    }
}
