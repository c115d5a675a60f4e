public import FeedbackCore
@_exported public import FeedbackModel
internal import RPC

/// A client of feedbackd: of the daemon at a Unix socket, or of a service within the same process.
///
///     let client = try FeedbackClient(socket: "/run/feedbackd/feedbackd.sock")
///     try await client.addFeedback(
///         sessionID: "user-123", rating: .up, comment: "Very helpful response!")
///
/// A client may be used concurrently from many tasks; their calls share one connection, which is
/// opened with the first call and again after it was lost. Every call has a deadline, and is
/// repeated with the same request_id while the server is UNAVAILABLE and there is time: nothing is
/// stored twice. If the deadline ends an attempt after the first, the error contains the reason for
/// which the previous attempt failed.
///
/// All methods throw a ``CallError``.
public final class FeedbackClient: Sendable {
    /// The deadline and the retries of calls.
    public struct Options: Sendable {
        /// The default timeout of a call, with all its attempts.
        public var timeout = Duration.seconds(10)
        /// The maximum number of attempts of a call.
        public var attemptsMax = 5
        /// The first pause between attempts; it doubles with each attempt.
        ///
        /// Each pause is shortened by a random share of up to a half (jitter).
        public var backoff = Duration.milliseconds(50)
        /// The maximum pause between attempts.
        public var backoffMax = Duration.seconds(1)

        /// Makes the default options.
        public init() {}
    }

    private let transport: any Transport
    private let options: Options

    /// Makes a client of the daemon at the socket, without connecting to it yet.
    ///
    /// - Throws: INVALID_ARGUMENT for a path that cannot be a socket's.
    public init(socket path: String, options: Options = Options()) throws {
        do {
            transport = try SocketTransport(address: try UnixSocketAddress(path: path))
        } catch {
            throw CallError(error)
        }
        self.options = options
    }

    /// Makes a client of a service within this process.
    public init(service: FeedbackService, options: Options = Options()) {
        transport = InProcessTransport(service: service)
        self.options = options
    }

    /// Returns the default path of the daemon's socket: `feedbackd/feedbackd.sock` under
    /// `$XDG_RUNTIME_DIR`, else under `/run` for root, else `/tmp/feedbackd-UID/feedbackd.sock`.
    public static func defaultSocket() throws -> String {
        do {
            return try UnixSocketAddress.defaultAddress(program: "feedbackd").path
        } catch {
            throw CallError(error)
        }
    }

    /// Connects now instead of with the first call.
    ///
    /// - Throws: UNAVAILABLE if the only attempt fails.
    public func connect() async throws { try await transport.connect() }

    /// Closes the connections; waiting calls and streams end with CANCELLED.
    ///
    /// Does nothing for a service within the process.
    public func close() { transport.close() }

    // MARK: - Feedback

    /// Stores a feedback, which is durable when this method returns.
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

    /// Stores a feedback with all its fields; it is durable when this method returns.
    ///
    /// A draft without a request_id gets one, so that further attempts do not store it again.
    @discardableResult
    public func addFeedback(
        _ draft: FeedbackDraft,
        timeout: Duration? = nil
    ) async throws -> AddedFeedback {
        var draft = draft
        if draft.requestID.isEmpty { draft.requestID = Self.makeRequestID() }
        return try await write(.add(draft), timeout).added()
    }

    /// Returns a page of feedback.
    public func listFeedbacks(
        _ query: FeedbackQuery = FeedbackQuery(),
        timeout: Duration? = nil
    ) async throws -> FeedbackPage {
        try await attempt(timeout) { try await self.transport.list(query, timeout: $0) }
    }

    /// Returns all feedback that matches the query, fetched page by page during the iteration.
    ///
    ///     for try await feedback in client.allFeedbacks(FeedbackQuery(ratings: [.down])) { … }
    public func allFeedbacks(_ query: FeedbackQuery = FeedbackQuery()) -> FeedbackSequence {
        FeedbackSequence(client: self, query: query)
    }

    /// Returns the changes of feedback as a stream, which begins with the iteration.
    ///
    ///     for try await change in client.watchFeedbacks(WatchQuery(from: .now)) { … }
    ///
    /// Each iteration over a socket has a connection of its own, and no deadline. Whoever keeps the
    /// position of the last change that it has dealt with can go on from there later.
    public func watchFeedbacks(_ query: WatchQuery = WatchQuery()) -> WatchSequence {
        WatchSequence(query, over: transport, options: options)
    }

    /// Returns exact metrics.
    public func getMetrics(
        _ query: MetricsQuery = MetricsQuery(),
        timeout: Duration? = nil
    ) async throws -> MetricsReport {
        try await attempt(timeout) { try await self.transport.metrics(query, timeout: $0) }
    }

    // MARK: - Metadata

    /// Merges top-level keys into a session's metadata and returns the result.
    @discardableResult
    public func updateMetadata(
        sessionID: String,
        _ metadata: Metadata,
        timeout: Duration? = nil
    ) async throws -> Metadata {
        try await write(.changeMetadata(sessionID: sessionID, .merge(metadata)), timeout)
            .metadata()
    }

    /// Returns a session's metadata.
    ///
    /// - Throws: NOT_FOUND if the session does not exist.
    public func metadata(sessionID: String, timeout: Duration? = nil) async throws -> Metadata {
        try await attempt(timeout) { try await self.transport.metadata(sessionID, timeout: $0) }
    }

    /// Removes top-level keys from a session's metadata and returns the result.
    ///
    /// - Throws: NOT_FOUND if the session does not exist.
    @discardableResult
    public func deleteMetadata(
        sessionID: String,
        keys: [String],
        timeout: Duration? = nil
    ) async throws -> Metadata {
        try await write(.changeMetadata(sessionID: sessionID, .remove(keys)), timeout).metadata()
    }

    // MARK: - Operation

    // The daemon lets only its own user, root and the users of `admin_uid` call these methods:
    // PERMISSION_DENIED answers others.

    /// Returns all destinations of changes, in the order of the configuration.
    public func destinations(timeout: Duration? = nil) async throws -> [DestinationStatus] {
        try await attempt(timeout) { try await self.transport.destinations(timeout: $0) }
    }

    /// Delivers nothing more to a destination until it is resumed, also after a new start.
    ///
    /// - Throws: NOT_FOUND if there is no such destination.
    @discardableResult
    public func pauseDestination(
        _ name: String,
        timeout: Duration? = nil
    ) async throws -> DestinationStatus {
        try await attempt(timeout) { try await self.transport.pauseDestination(name, timeout: $0) }
    }

    /// Delivers to a paused destination again.
    ///
    /// - Throws: NOT_FOUND if there is no such destination.
    @discardableResult
    public func resumeDestination(
        _ name: String,
        timeout: Duration? = nil
    ) async throws -> DestinationStatus {
        try await attempt(timeout) { try await self.transport.resumeDestination(name, timeout: $0) }
    }

    /// Delivers again what came after a position; nil means everything that is there.
    ///
    /// - Throws: NOT_FOUND if there is no such destination; INVALID_ARGUMENT for a position that is
    ///   none; OUT_OF_RANGE for one of another store, or of changes that are no longer kept.
    @discardableResult
    public func rewindDestination(
        _ name: String,
        to position: LogPosition?,
        timeout: Duration? = nil
    ) async throws -> DestinationStatus {
        try await attempt(timeout) {
            try await self.transport.rewindDestination(name, to: position, timeout: $0)
        }
    }

    /// Sends a test message to a destination, and returns the reason for which it was not accepted;
    /// empty if it was.
    ///
    /// - Throws: NOT_FOUND if there is no such destination.
    public func testDestination(_ name: String, timeout: Duration? = nil) async throws -> String {
        try await attempt(timeout) { try await self.transport.testDestination(name, timeout: $0) }
    }

    /// Returns a page of the deliveries that wait for another attempt, or of the dead letters.
    ///
    /// - Throws: NOT_FOUND if there is no such destination.
    public func listDeliveries(
        _ query: DeliveryQuery = DeliveryQuery(),
        timeout: Duration? = nil
    ) async throws -> DeliveryPage {
        try await attempt(timeout) { try await self.transport.deliveries(query, timeout: $0) }
    }

    /// Makes deliveries due at once, dead letters too, and returns their number; without ids, all
    /// dead letters of the destination.
    ///
    /// Deliveries that are gone are passed over.
    ///
    /// - Throws: NOT_FOUND if there is no such destination.
    @discardableResult
    public func retryDeliveries(
        _ selection: DeliverySelection,
        timeout: Duration? = nil
    ) async throws -> Int64 {
        try await attempt(timeout) {
            try await self.transport.retryDeliveries(selection, timeout: $0)
        }
    }

    /// Gives deliveries up for ever and returns their number; without ids, all dead letters of the
    /// destination.
    ///
    /// The feedback itself stays.
    ///
    /// - Throws: NOT_FOUND if there is no such destination.
    @discardableResult
    public func dropDeliveries(
        _ selection: DeliverySelection,
        timeout: Duration? = nil
    ) async throws -> Int64 {
        try await attempt(timeout) {
            try await self.transport.dropDeliveries(selection, timeout: $0)
        }
    }

    /// Returns the state of the daemon, of its store and of its destinations.
    public func serverStatus(timeout: Duration? = nil) async throws -> ServerStatus {
        try await attempt(timeout) { try await self.transport.status(timeout: $0) }
    }

    // MARK: - Health

    /// Returns true if the server reports that calls are served now; there is one attempt.
    public func isServing(timeout: Duration? = nil) async throws -> Bool {
        try await transport.isServing(timeout: timeout ?? options.timeout)
    }

    // MARK: - Attempts

    private func write(_ change: Change, _ timeout: Duration?) async throws -> ChangeOutcome {
        try await attempt(timeout) { try await self.transport.write(change, timeout: $0) }
    }

    private func attempt<Response>(
        _ timeout: Duration?,
        _ call: (Duration) async throws -> Response
    ) async throws -> Response {
        let deadline = ContinuousClock.now + (timeout ?? options.timeout)
        var backoff = Backoff(options)
        var refusal: CallError?
        while true {
            do {
                return try await call(deadline - .now)
            } catch let error as CallError where error.code == .unavailable {
                try await backoff.pause(after: error, before: deadline)
                refusal = error
            } catch var error as CallError where error.code == .deadlineExceeded {
                if let refusal { error.message += "; the attempt before: \(refusal.message)" }
                throw error
            }
        }
    }

    /// Returns a UUID of version 7: keys that ascend with time keep the server's index of them
    /// fast.
    private static func makeRequestID() -> String { requestIDs.next(at: .now).description }

    private static let requestIDs = FeedbackIDGenerator()
}
