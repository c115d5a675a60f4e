internal import FeedbackCore
internal import FeedbackModel

/// A receiver of alerts.
protocol AlertSink: Sendable {
    /// The kind, as an operator sees it.
    var kind: String { get }
    /// The maximum number of concurrent deliveries.
    var concurrency: Int { get }

    /// Attempts to deliver an alert, for at most the timeout of the options.
    func deliver(_ alert: Alert) async -> DeliveryOutcome
}

extension Alert {
    /// The text of the feedback's identifier.
    var feedbackID: String { feedback.id?.description ?? "" }
}
