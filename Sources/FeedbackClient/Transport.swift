internal import FeedbackModel

/// A connection from a client to a service.
///
/// Every method makes one attempt and throws a ``CallError``.
protocol Transport: Sendable {
    func connect() async throws
    func close()
    func write(_ change: Change, timeout: Duration) async throws -> ChangeOutcome
    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage
    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport
    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata
    func alerts(_ query: AlertQuery, timeout: Duration) async throws -> AlertPage
    func retryAlerts(_ ids: [Int64], timeout: Duration) async throws -> Int64
    func isServing(timeout: Duration) async throws -> Bool
}
