internal import FeedbackModel

/// A destination of alerts.
protocol AlertSink: Sendable {
    /// The maximum number of concurrent deliveries.
    var deliveriesMax: Int { get }

    /// Attempts to deliver an alert, for at most the hook's timeout.
    func deliver(_ alert: Alert) async -> DeliveryOutcome
}

/// The outcome of an attempt to deliver an alert.
enum DeliveryOutcome: Sendable, Hashable {
    case delivered
    /// The receiver refused this alert; others may be accepted.
    case refused(String)
    /// The receiver is unavailable and wants to be tried again after `retryDelay`, if it is given.
    case unavailable(String, retryDelay: Duration?)
}
