internal import FeedbackMessages
internal import FeedbackModel
internal import RPC

/// Calls a daemon through its socket.
struct SocketTransport: Transport {
    private let rpc: RPCClient

    init(address: UnixSocketAddress) throws { rpc = try RPCClient(address: address) }

    func connect() async throws {
        do { try await rpc.connect() } catch { throw FeedbackError(transportError: error) }
    }

    func close() { rpc.close() }

    func add(_ draft: FeedbackDraft, timeout: Duration) async throws -> AddedFeedback {
        try await call(FeedbackMethods.addFeedback, draft, timeout)
    }

    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage {
        try await call(FeedbackMethods.listFeedbacks, query, timeout)
    }

    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport {
        try await call(FeedbackMethods.getMetrics, query, timeout)
    }

    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata {
        try await call(SessionMethods.getMetadata, sessionID, timeout)
    }

    func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        timeout: Duration
    ) async throws -> Metadata {
        switch change {
        case .merge(let metadata):
            let update = SessionMethods.Update(sessionID: sessionID, metadata: metadata)
            return try await call(SessionMethods.updateMetadata, update, timeout)
        case .remove(let keys):
            let deletion = SessionMethods.Deletion(sessionID: sessionID, keys: keys)
            return try await call(SessionMethods.deleteMetadata, deletion, timeout)
        }
    }

    func alerts(_ query: AlertQuery, timeout: Duration) async throws -> AlertPage {
        try await call(AlertMethods.listAlerts, query, timeout)
    }

    func retryAlerts(_ ids: [Int64], timeout: Duration) async throws -> Int64 {
        try await call(AlertMethods.retryAlerts, ids, timeout)
    }

    func isServing(timeout: Duration) async throws -> Bool {
        do {
            return try await HealthService.check(with: rpc, timeout: timeout)
        } catch {
            throw FeedbackError(transportError: error)
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
            throw FeedbackError(transportError: error)
        }
    }
}

extension FeedbackError {
    /// What the server said, or what became of the connection.
    init(transportError error: any Error) {
        switch error {
        case let error as FeedbackError: self = error
        case let status as RPCStatus:
            self.init(
                Code(rawValue: status.code.rawValue) ?? .unknown,
                status.message,
                violations: status.violations.map {
                    FieldViolation(field: $0.field, description: $0.description)
                },
                retryAfter: status.retryDelay
            )
        default: self.init(.internal, "the call failed", cause: error)
        }
    }
}
