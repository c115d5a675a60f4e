/// The metrics that the hooks of this module record through swift-metrics, with names in Prometheus'
/// style.
public enum HookInstrument: String, Sendable, CaseIterable {
    /// A counter with the labels `hook` and `rating`: stored feedback.
    case feedback = "feedbackd_feedback_total"
    /// A recorder with the label `hook`: the lengths of comments in code points.
    case commentLength = "feedbackd_feedback_comment_codepoints"
    /// A counter with the labels `hook` and `outcome`: attempts to deliver an alert.
    case alertDeliveries = "feedbackd_alert_deliveries_total"
    /// A timer with the label `hook`: the durations of attempts to deliver an alert.
    case alertDeliveryTime = "feedbackd_alert_delivery_duration_seconds"

    /// The help text of the metric.
    public var help: String {
        switch self {
        case .feedback: "Feedback that was stored since the start, counted by analytics hooks."
        case .commentLength: "Length of the comments that were stored, in code points."
        case .alertDeliveries: "Attempts to deliver an alert, and alerts that were given up."
        case .alertDeliveryTime: "How long the attempts took."
        }
    }
}
