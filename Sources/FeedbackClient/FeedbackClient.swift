public import FeedbackCore
@_exported public import FeedbackModel
internal import RPC

/// Calls feedbackd: through its Unix socket, or a service within the same process.
///
///     let client = try FeedbackClient(socket: "/run/feedbackd/feedbackd.sock")
///     try await client.addFeedback(
///         sessionID: "user-123", rating: .up, comment: "Very helpful response!")
///
/// It may be used from many tasks at once; their calls share one connection, which is made when it
/// is first needed and again after it was lost. Every call has a deadline, and is repeated with the
/// same request_id while the server is UNAVAILABLE and time is left: nothing is stored twice. When
/// the deadline ends an attempt after the first, the error says why the one before has failed.
///
/// Methods throw a ``FeedbackError``.
public final class FeedbackClient: Sendable {
    /// How calls are made.
    public struct Options: Sendable {
        /// How long a call may take with all its attempts, unless it says otherwise.
        public var timeout = Duration.seconds(10)
        /// How often a call is tried at most.
        public var attemptsMax = 5
        /// How long the first pause between attempts is; each further one is twice as long.
        ///
        /// Every pause is cut by a random share of up to a half.
        public var backoff = Duration.milliseconds(50)
        /// How long a pause is at most.
        public var backoffMax = Duration.seconds(1)

        /// Makes the default options.
        public init() {}
    }

    private let transport: any Transport
    private let options: Options

    /// Makes a client of the daemon at that socket.
    ///
    /// Nothing is connected yet.
    ///
    /// - Throws: INVALID_ARGUMENT for a path that cannot be a socket's.
    public init(socket path: String, options: Options = Options()) throws {
        do {
            transport = try SocketTransport(address: try UnixSocketAddress(path: path))
        } catch {
            throw FeedbackError(transportError: error)
        }
        self.options = options
    }

    /// Makes a client of a service within this process.
    public init(service: FeedbackService, options: Options = Options()) {
        transport = InProcessTransport(service: service)
        self.options = options
    }

    /// Where the daemon's socket is when nobody names a path: `$XDG_RUNTIME_DIR/feedbackd/`
    /// `feedbackd.sock`, else under `/run` for root, else under `/tmp/feedbackd-UID`.
    public static func conventionalSocket() throws -> String {
        do {
            return try UnixSocketAddress.conventional(program: "feedbackd").path
        } catch {
            throw FeedbackError(transportError: error)
        }
    }

    /// Connects now instead of with the first call.
    ///
    /// - Throws: UNAVAILABLE if that fails; it is tried once.
    public func connect() async throws { try await transport.connect() }

    /// Closes the connection; calls that wait end with CANCELLED.
    public func close() { transport.close() }

    // MARK: - Feedback

    /// Stores a feedback.
    ///
    /// It is durable when this returns.
    @discardableResult
    public func addFeedback(
        sessionID: String,
        rating: Rating = .none,
        comment: String = "",
        timeout: Duration? = nil
    ) async throws -> AddedFeedback {
        try await addFeedback(
            FeedbackDraft(sessionID: sessionID, rating: rating, comment: comment),
            timeout: timeout
        )
    }

    /// Stores a feedback with all its fields.
    ///
    /// A draft without a request_id is given one, so that attempts after the first do not store it
    /// again.
    @discardableResult
    public func addFeedback(
        _ draft: FeedbackDraft,
        timeout: Duration? = nil
    ) async throws -> AddedFeedback {
        var draft = draft
        if draft.requestID.isEmpty { draft.requestID = Self.makeRequestID() }
        return try await attempt(timeout) { [draft] in
            try await self.transport.add(draft, timeout: $0)
        }
    }

    /// A page of feedback.
    public func listFeedbacks(
        _ query: FeedbackQuery = FeedbackQuery(),
        timeout: Duration? = nil
    ) async throws -> FeedbackPage {
        try await attempt(timeout) { try await self.transport.list(query, timeout: $0) }
    }

    /// All feedback that matches, page by page as it is consumed.
    ///
    ///     for try await feedback in client.allFeedbacks(FeedbackQuery(ratings: [.down])) { … }
    public func allFeedbacks(_ query: FeedbackQuery = FeedbackQuery()) -> FeedbackSequence {
        FeedbackSequence(client: self, query: query)
    }

    /// Exact metrics.
    public func getMetrics(
        _ query: MetricsQuery = MetricsQuery(),
        timeout: Duration? = nil
    ) async throws -> MetricsReport {
        try await attempt(timeout) { try await self.transport.metrics(query, timeout: $0) }
    }

    // MARK: - Metadata

    /// Merges top-level keys into a session's metadata and returns it as it is then.
    @discardableResult
    public func updateMetadata(
        sessionID: String,
        _ metadata: Metadata,
        timeout: Duration? = nil
    ) async throws -> Metadata {
        try await attempt(timeout) {
            try await self.transport.changeMetadata(sessionID, .merge(metadata), timeout: $0)
        }
    }

    /// A session's metadata.
    ///
    /// - Throws: NOT_FOUND if the session is unknown.
    public func metadata(sessionID: String, timeout: Duration? = nil) async throws -> Metadata {
        try await attempt(timeout) { try await self.transport.metadata(sessionID, timeout: $0) }
    }

    /// Removes top-level keys from a session's metadata and returns it as it is then.
    ///
    /// - Throws: NOT_FOUND if the session is unknown.
    @discardableResult
    public func deleteMetadata(
        sessionID: String,
        keys: [String],
        timeout: Duration? = nil
    ) async throws -> Metadata {
        try await attempt(timeout) {
            try await self.transport.changeMetadata(sessionID, .remove(keys), timeout: $0)
        }
    }

    // MARK: - Alerts

    /// A page of the alerts that notification hooks could not deliver yet, or have given up.
    public func listAlerts(
        _ query: AlertQuery = AlertQuery(),
        timeout: Duration? = nil
    ) async throws -> AlertPage {
        try await attempt(timeout) { try await self.transport.alerts(query, timeout: $0) }
    }

    /// Makes dead letters pending again and returns how many: those of the ids, or all if none is
    /// given.
    ///
    /// Ids that are gone, or pending, are passed over.
    @discardableResult
    public func retryAlerts(_ ids: [Int64] = [], timeout: Duration? = nil) async throws -> Int64 {
        try await attempt(timeout) { try await self.transport.retryAlerts(ids, timeout: $0) }
    }

    // MARK: - Health

    /// Whether the server says that calls are served now.
    ///
    /// It is asked once.
    public func isServing(timeout: Duration? = nil) async throws -> Bool {
        try await transport.isServing(timeout: timeout ?? options.timeout)
    }

    // MARK: - Attempts

    private func attempt<Response>(
        _ timeout: Duration?,
        _ call: (Duration) async throws -> Response
    ) async throws -> Response {
        let deadline = ContinuousClock.now + (timeout ?? options.timeout)
        var pause = min(options.backoff, options.backoffMax)
        var attempts = 1
        var refusal: FeedbackError?
        while true {
            do {
                return try await call(deadline - .now)
            } catch let error as FeedbackError where error.code == .unavailable {
                let cut = pause * Double.random(in: 0.5...1)
                guard attempts < options.attemptsMax, .now + cut < deadline else { throw error }
                do {
                    try await Task.sleep(for: cut)
                } catch {
                    throw FeedbackError(.cancelled, "the task was cancelled")
                }
                attempts += 1
                pause = min(pause * 2, options.backoffMax)
                refusal = error
            } catch var error as FeedbackError where error.code == .deadlineExceeded {
                if let refusal { error.message += "; the attempt before: \(refusal.message)" }
                throw error
            }
        }
    }

    /// A UUID of version 7: ids that ascend with time keep the server's index of them fast.
    private static func makeRequestID() -> String { requestIDs.next(at: .now).description }

    private static let requestIDs = FeedbackIDGenerator()
}
