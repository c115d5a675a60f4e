internal import FeedbackModel

/// Delivers alerts to one receiver.
protocol AlertSink: Sendable {
    /// How many alerts may be on their way to it at once.
    var deliveriesMax: Int { get }

    /// Tries to deliver an alert, for no longer than the hook's timeout.
    func deliver(_ alert: Alert) async -> Delivery
}

/// How an attempt to deliver an alert ended.
enum Delivery: Sendable, Hashable {
    case delivered
    /// The receiver does not want this alert; others may be fine.
    case refused(String)
    /// The receiver is not there, or not able, and wants to be asked again after that time.
    case unavailable(String, retryAfter: Duration?)
}
