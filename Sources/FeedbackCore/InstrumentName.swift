/// The metrics that the service, its stores and its hooks record through swift-metrics, with names
/// in Prometheus' style.
///
/// The metrics of connections and calls are named in the module RPC.
public enum InstrumentName: String, Sendable, CaseIterable {
    /// A counter with the labels `hook` and `rating`: stored feedback.
    case feedback = "feedbackd_feedback_total"
    /// A recorder with the label `hook`: the lengths of comments in code points.
    case commentLength = "feedbackd_feedback_comment_codepoints"
    /// A counter with the labels `hook` and `code`: changes that a hook refused.
    case hookVetoes = "feedbackd_hook_vetoes_total"
    /// A counter with the labels `hook` and `outcome`: attempts to deliver an alert.
    case alertDeliveries = "feedbackd_alert_deliveries_total"
    /// A timer with the label `hook`: the durations of attempts to deliver an alert.
    case alertDeliveryTime = "feedbackd_alert_delivery_duration_seconds"
    /// A meter: the number of writes that wait for a batch.
    case writeQueueLength = "feedbackd_write_queue_length"
    /// A recorder: the number of writes in a batch.
    case writeBatchSize = "feedbackd_write_batch_size"
    /// A timer: the durations of commits.
    case writeTime = "feedbackd_write_duration_seconds"
    /// A meter: the number of reads that run or wait.
    case readQueueLength = "feedbackd_read_queue_length"

    /// The help text of the metric.
    public var help: String {
        switch self {
        case .feedback: "Feedback that was stored since the start, counted by analytics hooks."
        case .commentLength: "Length of the comments that were stored, in code points."
        case .hookVetoes: "Adds that a hook refused."
        case .alertDeliveries: "Attempts to deliver an alert, and alerts that were given up."
        case .alertDeliveryTime: "How long the attempts took."
        case .writeQueueLength: "Writes that wait for the transaction under way to end."
        case .writeBatchSize: "Writes in one transaction."
        case .writeTime: "How long a transaction took, with its commit."
        case .readQueueLength: "Reads that run or wait."
        }
    }
}
