internal import CFeedbackProto
internal import FeedbackModel
internal import ProtoCodec

// Conversions between queries, metrics and their generated messages, in both directions.

private let metricsType = ProtoType(feedback__v1__metrics__init)

extension TimeRange {
    init(
        _ from: UnsafeMutablePointer<Google__Protobuf__Timestamp>?,
        _ until: UnsafeMutablePointer<Google__Protobuf__Timestamp>?
    ) throws(CallError) {
        self.init()
        if let from { self.from = try Timestamp(from.pointee, field: "created_at_or_after") }
        if let until { self.until = try Timestamp(until.pointee, field: "created_before") }
    }
}

extension String {
    /// Reads the session_id of a query; nil for every session, which is empty on the wire.
    init?(filter sessionID: UnsafePointer<CChar>?) {
        self.init(proto: sessionID)
        if isEmpty { return nil }
    }
}

extension ProtoArena {
    /// Builds the session_id of a query; without one it is empty, which means every session.
    ///
    /// - Throws: INVALID_ARGUMENT for an empty one, which would mean every session, too.
    func string(
        filter sessionID: String?
    ) throws -> UnsafeMutablePointer<CChar> {
        if sessionID?.isEmpty == true {
            throw CallError.invalid("session_id", FieldLimits.emptySessionID)
        }
        return try string(sessionID ?? "", field: "session_id")
    }
}

extension FeedbackQuery {
    /// Reads a query from a request.
    ///
    /// - Throws: INVALID_ARGUMENT if a bound is not a valid moment.
    init(_ message: Feedback__V1__ListFeedbacksRequest) throws(CallError) {
        let isFiltered =
            message.comment_filter_case
            == FEEDBACK__V1__LIST_FEEDBACKS_REQUEST__COMMENT_FILTER_HAS_COMMENT
        self.init(
            sessionID: String(filter: message.session_id),
            ratings: Set((0..<message.n_ratings).map { Rating(message.ratings[$0]) }),
            created: try TimeRange(message.created_at_or_after, message.created_before),
            messageID: String(proto: message.message_id),
            hasComment: isFiltered ? message.has_comment != 0 : nil,
            newestFirst: message.newest_first != 0,
            pageSize: Int(message.page_size),
            pageToken: String(proto: message.page_token)
        )
    }
}

extension ProtoArena {
    /// Builds a repeated field of ratings.
    func ratings(
        _ ratings: Set<Rating>
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Rating> {
        let array = try allocate(of: Feedback__V1__Rating.self, count: ratings.count)
        for (index, rating) in ratings.enumerated() { array[index] = rating.message }
        return array
    }
}

extension Feedback__V1__ListFeedbacksRequest {
    mutating func set(_ query: FeedbackQuery, _ arena: ProtoArena) throws {
        session_id = try arena.string(filter: query.filter.sessionID)
        ratings = try arena.ratings(query.filter.ratings)
        n_ratings = query.filter.ratings.count
        if let from = query.filter.created.from {
            created_at_or_after = try arena.message(of: from)
        }
        if let until = query.filter.created.until { created_before = try arena.message(of: until) }
        message_id = try arena.string(query.filter.messageID, field: "message_id")
        if let hasComment = query.filter.hasComment {
            comment_filter_case = FEEDBACK__V1__LIST_FEEDBACKS_REQUEST__COMMENT_FILTER_HAS_COMMENT
            has_comment = hasComment ? 1 : 0
        }
        page_size = Int32(clamping: query.pageSize)
        page_token = try arena.string(query.pageToken, field: "page_token")
        newest_first = query.newestFirst ? 1 : 0
    }
}

extension MetricsQuery {
    /// Reads a query from a request.
    ///
    /// - Throws: INVALID_ARGUMENT if a bound is not a valid moment, or a metadata_key is given with
    ///   another grouping; UNIMPLEMENTED if the grouping is not served yet.
    init(_ message: Feedback__V1__GetMetricsRequest) throws(CallError) {
        let key = String(proto: message.metadata_key)
        let grouping: MetricsGrouping
        switch message.group_by {
        case FEEDBACK__V1__GROUP_BY__GROUP_BY_UNSPECIFIED: grouping = .none
        case FEEDBACK__V1__GROUP_BY__GROUP_BY_SESSION: grouping = .session
        case FEEDBACK__V1__GROUP_BY__GROUP_BY_METADATA: grouping = .metadata(key: key)
        case FEEDBACK__V1__GROUP_BY__GROUP_BY_HOUR: grouping = .hour
        case FEEDBACK__V1__GROUP_BY__GROUP_BY_DAY: grouping = .day
        default: throw CallError(.unimplemented, "this value of group_by is not served yet")
        }
        if !key.isEmpty, message.group_by != FEEDBACK__V1__GROUP_BY__GROUP_BY_METADATA {
            throw .invalid("metadata_key", "goes with GROUP_BY_METADATA only")
        }
        self.init(
            sessionID: String(filter: message.session_id),
            created: try TimeRange(message.created_at_or_after, message.created_before),
            grouping: grouping
        )
    }
}

extension Feedback__V1__GetMetricsRequest {
    mutating func set(_ query: MetricsQuery, _ arena: ProtoArena) throws {
        session_id = try arena.string(filter: query.sessionID)
        if let from = query.created.from { created_at_or_after = try arena.message(of: from) }
        if let until = query.created.until { created_before = try arena.message(of: until) }
        switch query.grouping {
        case .none: group_by = FEEDBACK__V1__GROUP_BY__GROUP_BY_UNSPECIFIED
        case .session: group_by = FEEDBACK__V1__GROUP_BY__GROUP_BY_SESSION
        case .metadata(let key):
            group_by = FEEDBACK__V1__GROUP_BY__GROUP_BY_METADATA
            metadata_key = try arena.string(key, field: "metadata_key")
        case .hour: group_by = FEEDBACK__V1__GROUP_BY__GROUP_BY_HOUR
        case .day: group_by = FEEDBACK__V1__GROUP_BY__GROUP_BY_DAY
        }
    }
}

extension Metrics {
    /// Reads metrics from a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    init(_ message: Feedback__V1__Metrics) throws {
        let counts = [message.positive, message.negative, message.neutral]
        var rest = Int64.max
        for count in counts {
            guard (0...rest).contains(count) else { throw ImpossibleCount() }
            rest -= count
        }
        let length = message.average_comment_length * Double(message.total)
        self.init(
            positive: message.positive,
            negative: message.negative,
            neutral: message.neutral,
            commentCodePoints: Int64(exactly: length.rounded()) ?? 0
        )
    }
}

/// A count in a response is negative, or so large that the total overflows.
struct ImpossibleCount: Error {}

extension ProtoArena {
    func message(
        of metrics: Metrics
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Metrics> {
        let message = try make(metricsType)
        message.pointee.total = metrics.total
        message.pointee.positive = metrics.positive
        message.pointee.negative = metrics.negative
        message.pointee.neutral = metrics.neutral
        message.pointee.average_comment_length = metrics.averageCommentLength
        message.pointee.satisfaction_rate = metrics.satisfactionRate
        message.pointee.approval_rate = metrics.approvalRate
        return message
    }
}
