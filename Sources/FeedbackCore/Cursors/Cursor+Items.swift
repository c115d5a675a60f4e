internal import FeedbackModel

extension Cursor {
    /// An alert to be delivered.
    struct Item {
        let change: CursorChange
        let alert: Alert
        /// The attempts before; nil for what the cursor has just read.
        var attempts: DeliveryAttempts?
        /// True if the list has the feedback, perhaps as a dead letter.
        var hasRow: Bool
        /// True if the list has the delivery itself, so that the position may pass it.
        var isListed: Bool

        var bytes: Int { change.feedback.bytes }
    }

    /// An attempt that has begun.
    struct Flight {
        let item: Item
        let begin: ContinuousClock.Instant
        /// True if the position may pass the delivery, because the list has it.
        var isListed: Bool
    }

    /// The willingness of the destination.
    enum Willingness {
        /// The destination answers, but not to these last deliveries, by the numbers of their
        /// feedback.
        case answering(timeouts: Set<Int64>)
        case away(failures: Int, until: ContinuousClock.Instant)
    }
}
