internal import FeedbackModel

/// A connection from a client to a service.
///
/// Every method makes one attempt and throws a ``CallError``.
protocol Transport: Sendable {
    func connect() async throws
    func close()
    func write(_ change: Change, timeout: Duration) async throws -> ChangeOutcome
    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage
    func watch(_ query: WatchQuery) async throws -> any WatchSource
    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport
    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata
    func destinations(timeout: Duration) async throws -> [DestinationStatus]
    func pauseDestination(_ name: String, timeout: Duration) async throws -> DestinationStatus
    func resumeDestination(_ name: String, timeout: Duration) async throws -> DestinationStatus
    func rewindDestination(
        _ name: String,
        to position: LogPosition?,
        timeout: Duration
    ) async throws -> DestinationStatus
    func testDestination(_ name: String, timeout: Duration) async throws -> String
    func deliveries(_ query: DeliveryQuery, timeout: Duration) async throws -> DeliveryPage
    func retryDeliveries(_ selection: DeliverySelection, timeout: Duration) async throws -> Int64
    func dropDeliveries(_ selection: DeliverySelection, timeout: Duration) async throws -> Int64
    func status(timeout: Duration) async throws -> ServerStatus
    func isServing(timeout: Duration) async throws -> Bool
}

/// One stream of changes, which ends with the last reference to it.
protocol WatchSource: Sendable {
    /// Returns at least one event, nil at the end; only one task at a time may wait.
    ///
    /// It throws a ``CallError``.
    func next() async throws -> [WatchEvent]?
}
