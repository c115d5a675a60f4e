internal import CFeedbackProto
public import FeedbackModel
internal import ProtoCodec

/// The methods of `feedback.v1.AlertService`.
public enum AlertMethods {
    /// The service's full name.
    public static let service = "feedback.v1.AlertService"

    /// Lists queued alerts, a page at a time.
    public static let listAlerts = MethodCodec<AlertQuery, AlertPage>(
        service,
        "ListAlerts",
        request: ProtoType(feedback__v1__list_alerts_request__init),
        response: ProtoType(feedback__v1__list_alerts_response__init),
        buildRequest: { query, message, arena in
            message.state =
                query.dead
                ? FEEDBACK__V1__ALERT_STATE__ALERT_STATE_DEAD
                : FEEDBACK__V1__ALERT_STATE__ALERT_STATE_PENDING
            message.page_size = Int32(clamping: query.pageSize)
            message.page_token = try arena.string(query.pageToken, field: "page_token")
        },
        readRequest: { message in
            AlertQuery(
                dead: message.state != FEEDBACK__V1__ALERT_STATE__ALERT_STATE_PENDING,
                pageSize: Int(message.page_size),
                pageToken: String(proto: message.page_token)
            )
        },
        buildResponse: { page, message, arena in
            let alerts = try arena.allocate(
                of: UnsafeMutablePointer<Feedback__V1__Alert>?.self,
                count: page.alerts.count
            )
            for (index, alert) in page.alerts.enumerated() {
                alerts[index] = try arena.message(of: alert)
            }
            message.alerts = alerts
            message.n_alerts = page.alerts.count
            message.next_page_token = try arena.string(page.nextPageToken)
            message.total_size = page.totalSize
        },
        readResponse: { message in
            AlertPage(
                alerts: try (0..<message.n_alerts).compactMap { index in
                    try message.alerts[index].map { try QueuedAlert($0.pointee) }
                },
                nextPageToken: String(proto: message.next_page_token),
                totalSize: message.total_size
            )
        }
    )

    /// Makes dead letters pending again; the response is their number.
    public static let retryAlerts = MethodCodec<[Int64], Int64>(
        service,
        "RetryAlerts",
        request: ProtoType(feedback__v1__retry_alerts_request__init),
        response: ProtoType(feedback__v1__retry_alerts_response__init),
        buildRequest: { ids, message, arena in
            let array = try arena.allocate(of: Int64.self, count: ids.count)
            for (index, id) in ids.enumerated() { array[index] = id }
            message.alert_ids = array
            message.n_alert_ids = ids.count
        },
        readRequest: { message in (0..<message.n_alert_ids).map { message.alert_ids[$0] } },
        buildResponse: { count, message, _ in message.retried = count },
        readResponse: { $0.retried }
    )
}

private let alertType = ProtoType(feedback__v1__alert__init)

extension QueuedAlert {
    /// Reads an alert from a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    fileprivate init(_ message: Feedback__V1__Alert) throws {
        guard let createdAt = message.created_at?.pointee,
            let queuedAt = message.queued_at?.pointee,
            let feedbackID = FeedbackID(String(proto: message.feedback_id))
        else { throw MissingField() }
        var state = State.dead
        if message.state == FEEDBACK__V1__ALERT_STATE__ALERT_STATE_PENDING {
            guard let due = message.next_attempt_at?.pointee else { throw MissingField() }
            state = .pending(due: try Timestamp(due, field: "next_attempt_at"))
        }
        self.init(
            id: message.alert_id,
            alert: FeedbackModel.Alert(
                rule: String(proto: message.hook),
                feedbackID: feedbackID,
                sessionID: String(proto: message.session_id),
                rating: Rating(message.rating),
                comment: String(proto: message.comment),
                createdAt: try Timestamp(createdAt, field: "created_at"),
                sessionCount: message.session_count,
                totalCount: message.total_count
            ),
            state: state,
            queuedAt: try Timestamp(queuedAt, field: "queued_at"),
            attempts: Int(message.attempts),
            lastError: String(proto: message.last_error)
        )
    }
}

extension ProtoArena {
    fileprivate func message(
        of queued: QueuedAlert
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Alert> {
        let message = try make(alertType)
        let alert = queued.alert
        message.pointee.alert_id = queued.id
        message.pointee.hook = try string(alert.rule)
        message.pointee.feedback_id = try string(alert.feedbackID.description)
        message.pointee.session_id = try string(alert.sessionID)
        message.pointee.rating = alert.rating.message
        message.pointee.comment = try string(alert.comment)
        message.pointee.created_at = try self.message(of: alert.createdAt)
        message.pointee.session_count = alert.sessionCount
        message.pointee.total_count = alert.totalCount
        switch queued.state {
        case .pending(let due):
            message.pointee.state = FEEDBACK__V1__ALERT_STATE__ALERT_STATE_PENDING
            message.pointee.next_attempt_at = try self.message(of: due)
        case .dead: message.pointee.state = FEEDBACK__V1__ALERT_STATE__ALERT_STATE_DEAD
        }
        message.pointee.queued_at = try self.message(of: queued.queuedAt)
        message.pointee.attempts = Int32(clamping: queued.attempts)
        message.pointee.last_error = try string(queued.lastError)
        return message
    }
}
