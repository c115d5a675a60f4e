internal import FeedbackModel

/// The way from a client to a service.
///
/// Every method is one attempt and throws a ``FeedbackError``.
protocol Transport: Sendable {
    func connect() async throws
    func close()
    func add(_ draft: FeedbackDraft, timeout: Duration) async throws -> AddedFeedback
    func list(_ query: FeedbackQuery, timeout: Duration) async throws -> FeedbackPage
    func metrics(_ query: MetricsQuery, timeout: Duration) async throws -> MetricsReport
    func metadata(_ sessionID: String, timeout: Duration) async throws -> Metadata
    func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        timeout: Duration
    ) async throws -> Metadata
    func alerts(_ query: AlertQuery, timeout: Duration) async throws -> AlertPage
    func retryAlerts(_ ids: [Int64], timeout: Duration) async throws -> Int64
    func isServing(timeout: Duration) async throws -> Bool
}
