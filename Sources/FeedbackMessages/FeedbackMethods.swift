internal import CFeedbackProto
public import FeedbackModel
internal import ProtoCodec

/// The methods of `feedback.v1.FeedbackService`.
public enum FeedbackMethods {
    /// The service's full name.
    public static let service = "feedback.v1.FeedbackService"

    /// Adds a feedback.
    public static let addFeedback = MethodCodec<Change, ChangeOutcome>(
        service,
        "AddFeedback",
        request: ProtoType(feedback__v1__add_feedback_request__init),
        unserved: UnservedFields.addFeedback,
        response: ProtoType(feedback__v1__add_feedback_response__init),
        buildRequest: { change, message, arena in
            guard case .add(let draft) = change else {
                preconditionFailure("the change is of another method")
            }
            try message.set(draft, arena)
        },
        readRequest: { .add(FeedbackDraft($0)) },
        buildResponse: { outcome, message, arena in
            let added = try outcome.added()
            message.feedback = try arena.message(of: added.feedback)
            message.replayed = added.replayed ? 1 : 0
        },
        readResponse: { message in
            guard let feedback = message.feedback?.pointee else { throw MissingField() }
            return .added(
                AddedFeedback(feedback: try Feedback(feedback), replayed: message.replayed != 0)
            )
        }
    )

    /// Lists feedback, a page at a time.
    public static let listFeedbacks = MethodCodec<FeedbackQuery, FeedbackPage>(
        service,
        "ListFeedbacks",
        request: ProtoType(feedback__v1__list_feedbacks_request__init),
        unserved: UnservedFields.listFeedbacks,
        response: ProtoType(feedback__v1__list_feedbacks_response__init),
        buildRequest: { query, message, arena in try message.set(query, arena) },
        readRequest: { try FeedbackQuery($0) },
        buildResponse: { page, message, arena in
            let feedbacks = try arena.allocate(
                of: UnsafeMutablePointer<Feedback__V1__Feedback>?.self,
                count: page.feedbacks.count
            )
            for (index, feedback) in page.feedbacks.enumerated() {
                feedbacks[index] = try arena.message(of: feedback)
            }
            message.feedbacks = feedbacks
            message.n_feedbacks = page.feedbacks.count
            message.next_page_token = try arena.string(page.nextPageToken)
            message.total_size = page.totalSize
        },
        readResponse: { message in
            FeedbackPage(
                feedbacks: try (0..<message.n_feedbacks).compactMap { index in
                    try message.feedbacks[index].map { try Feedback($0.pointee) }
                },
                nextPageToken: String(proto: message.next_page_token),
                totalSize: message.total_size
            )
        }
    )

    /// Returns exact metrics.
    public static let getMetrics = MethodCodec<MetricsQuery, MetricsReport>(
        service,
        "GetMetrics",
        request: ProtoType(feedback__v1__get_metrics_request__init),
        unserved: UnservedFields.getMetrics,
        response: ProtoType(feedback__v1__get_metrics_response__init),
        buildRequest: { query, message, arena in try message.set(query, arena) },
        readRequest: { try MetricsQuery($0) },
        buildResponse: { report, message, arena in
            message.metrics = try arena.message(of: report.metrics)
            let groups = try arena.allocate(
                of: UnsafeMutablePointer<Feedback__V1__MetricsGroup>?.self,
                count: report.groups.count
            )
            for (index, group) in report.groups.enumerated() {
                let entry = try arena.make(metricsGroup)
                entry.pointee.key = try arena.string(group.key)
                entry.pointee.metrics = try arena.message(of: group.metrics)
                groups[index] = entry
            }
            message.groups = groups
            message.n_groups = report.groups.count
        },
        readResponse: { message in
            guard let metrics = message.metrics?.pointee else { throw MissingField() }
            var groups: [String: Metrics] = [:]
            for index in 0..<message.n_groups {
                guard let group = message.groups[index]?.pointee else { continue }
                groups[String(proto: group.key)] = try group.metrics.map {
                    try Metrics($0.pointee)
                }
            }
            return MetricsReport(metrics: try Metrics(metrics), groups: groups)
        }
    )

    /// Streams the changes of feedback; each response has one event.
    public static let watchFeedbacks = MethodCodec<WatchQuery, WatchEvent>(
        service,
        "WatchFeedbacks",
        request: ProtoType(feedback__v1__watch_feedbacks_request__init),
        unserved: UnservedFields.watchFeedbacks,
        inside: 1,
        response: ProtoType(feedback__v1__watch_feedbacks_response__init),
        buildRequest: { query, message, arena in try message.set(query, arena) },
        readRequest: { try WatchQuery($0) },
        buildResponse: { event, message, arena in try message.set(event, arena) },
        readResponse: { try WatchEvent($0) }
    )

    private static let metricsGroup = ProtoType(feedback__v1__metrics_group__init)
}

/// The response lacks a field that every server sets.
struct MissingField: Error {}
