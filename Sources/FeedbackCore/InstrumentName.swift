/// The instruments that the service, its stores and hooks record to through swift-metrics, named in
/// Prometheus' style.
///
/// What the connections and calls record is named in the module RPC.
public enum InstrumentName: String, Sendable, CaseIterable {
    /// Counter; labels `hook` and `rating`.
    case feedback = "feedbackd_feedback_total"
    /// Recorder, in code points; label `hook`.
    case commentLength = "feedbackd_feedback_comment_codepoints"
    /// Counter; labels `hook` and `code`.
    case hookVetoes = "feedbackd_hook_vetoes_total"
    /// Counter; labels `hook` and `outcome`.
    case alertDeliveries = "feedbackd_alert_deliveries_total"
    /// Timer; label `hook`.
    case alertDeliveryTime = "feedbackd_alert_delivery_duration_seconds"
    /// Meter.
    case writeQueueLength = "feedbackd_write_queue_length"
    /// Recorder.
    case writeBatchSize = "feedbackd_write_batch_size"
    /// Timer.
    case writeTime = "feedbackd_write_duration_seconds"
    /// Meter.
    case readQueueLength = "feedbackd_read_queue_length"

    /// What is recorded, for people.
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
