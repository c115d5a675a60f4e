internal import FeedbackCore
internal import FeedbackModel
internal import Logging

/// A sink that writes alerts as log messages, without comments.
struct LogSink: AlertSink {
    let body: AlertBody
    let logger: Logger

    let kind = "log"
    let concurrency = 1

    func deliver(_ alert: Alert) async -> DeliveryOutcome {
        logger.warning(
            "[ALERT] \(body.subject(of: alert, includesComment: false).onOneLine)",
            metadata: [
                "count": "\(alert.sessionCount)", "total_count": "\(alert.totalCount)",
                "rating": "\(alert.feedback.rating)", "feedback_id": "\(alert.feedbackID)",
                "hook": "\(alert.rule)",
            ]
        )
        return .delivered
    }
}
