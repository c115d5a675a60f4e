/// The metrics that the service and its stores record through swift-metrics, with names in
/// Prometheus' style.
public enum CoreInstrument: String, Sendable, CaseIterable {
    /// A counter with the labels `hook` and `code`: changes that a hook refused.
    case hookVetoes = "feedbackd_hook_vetoes_total"
    /// A meter: the number of writes that wait for a batch.
    case writeQueueLength = "feedbackd_write_queue_length"
    /// A recorder: the number of writes in a batch.
    case writeBatchSize = "feedbackd_write_batch_size"
    /// A timer: the durations of commits.
    case writeTime = "feedbackd_write_duration_seconds"
    /// A meter: the number of reads that run or wait.
    case readQueueLength = "feedbackd_read_queue_length"
    /// A meter: the length of the file with SQLite's write-ahead log.
    case sqliteLogBytes = "feedbackd_sqlite_log_bytes"
    /// A meter: the size of the changes in a journal that the other store does not have yet.
    case journalWaitingBytes = "feedbackd_journal_waiting_bytes"

    /// The help text of the metric.
    public var help: String {
        switch self {
        case .hookVetoes: "Changes that a hook refused."
        case .writeQueueLength: "Writes that wait for the transaction under way to end."
        case .writeBatchSize: "Writes in one transaction."
        case .writeTime: "How long a transaction took, with its commit."
        case .readQueueLength: "Reads that run or wait."
        case .sqliteLogBytes: "Length of the file with SQLite's write-ahead log, in bytes."
        case .journalWaitingBytes:
            "Changes in the journal that MongoDB does not have yet, in bytes."
        }
    }
}
