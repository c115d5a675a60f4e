internal import CFeedbackProto
internal import FeedbackModel
internal import ProtoCodec

// Conversions between streams of changes and their generated messages, in both directions.

private let filterType = ProtoType(feedback__v1__feedback_filter__init)
private let changeType = ProtoType(feedback__v1__change__init)

extension WatchQuery {
    /// Reads a query from a request.
    ///
    /// - Throws: INVALID_ARGUMENT if a bound is not a valid moment, or a start_position is given with
    ///   from_now.
    init(_ message: Feedback__V1__WatchFeedbacksRequest) throws(CallError) {
        let position = String(proto: message.start_position)
        let start: LogStart
        switch (position.isEmpty, message.from_now != 0) {
        case (true, false): start = .beginning
        case (true, true): start = .now
        case (false, false): start = .after(LogPosition(position))
        case (false, true): throw .invalid("start_position", "must be empty with from_now")
        }
        self.init(
            try message.filter.map { filter throws(CallError) in
                try FeedbackFilter(filter.pointee)
            } ?? FeedbackFilter(),
            from: start,
            follows: message.follow != 0
        )
    }
}

extension FeedbackFilter {
    fileprivate init(_ message: Feedback__V1__FeedbackFilter) throws(CallError) {
        let isFiltered =
            message.comment_filter_case
            == FEEDBACK__V1__FEEDBACK_FILTER__COMMENT_FILTER_HAS_COMMENT
        self.init(
            sessionID: String(filter: message.session_id),
            ratings: Set((0..<message.n_ratings).map { Rating(message.ratings[$0]) }),
            created: try TimeRange(message.created_at_or_after, message.created_before),
            messageID: String(proto: message.message_id),
            hasComment: isFiltered ? message.has_comment != 0 : nil
        )
    }
}

extension Feedback__V1__WatchFeedbacksRequest {
    mutating func set(_ query: WatchQuery, _ arena: ProtoArena) throws {
        filter = try arena.message(of: query.filter)
        switch query.start {
        case .beginning: break
        case .now: from_now = 1
        case .after(let position):
            // An empty one would mean the beginning.
            if position.text.isEmpty {
                throw CallError.invalid("start_position", "must be a position that a stream gave")
            }
            start_position = try arena.string(position.text, field: "start_position")
        }
        follow = query.follows ? 1 : 0
    }
}

extension ProtoArena {
    /// Builds the filter; nil if it selects everything.
    fileprivate func message(
        of filter: FeedbackFilter
    ) throws -> UnsafeMutablePointer<Feedback__V1__FeedbackFilter>? {
        if filter == FeedbackFilter() { return nil }
        let message = try make(filterType)
        message.pointee.session_id = try string(filter: filter.sessionID)
        message.pointee.ratings = try ratings(filter.ratings)
        message.pointee.n_ratings = filter.ratings.count
        if let from = filter.created.from {
            message.pointee.created_at_or_after = try self.message(of: from)
        }
        if let until = filter.created.until {
            message.pointee.created_before = try self.message(of: until)
        }
        message.pointee.message_id = try string(filter.messageID, field: "filter.message_id")
        if let hasComment = filter.hasComment {
            message.pointee.comment_filter_case =
                FEEDBACK__V1__FEEDBACK_FILTER__COMMENT_FILTER_HAS_COMMENT
            message.pointee.has_comment = hasComment ? 1 : 0
        }
        return message
    }

    fileprivate func message(
        of change: FeedbackChange
    ) throws -> UnsafeMutablePointer<Feedback__V1__Change> {
        let message = try make(changeType)
        message.pointee.position = try string(change.position.text)
        message.pointee.kind = change.kind.message
        message.pointee.feedback = try self.message(of: change.feedback)
        return message
    }
}

extension WatchEvent {
    /// Reads an event from a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    init(_ message: Feedback__V1__WatchFeedbacksResponse) throws {
        switch message.event_case {
        case FEEDBACK__V1__WATCH_FEEDBACKS_RESPONSE__EVENT_CHANGE:
            guard let change = message.change?.pointee, let feedback = change.feedback?.pointee,
                let kind = FeedbackChange.Kind(change.kind)
            else { throw MissingField() }
            self = .change(
                FeedbackChange(
                    position: LogPosition(String(proto: change.position)),
                    kind: kind,
                    feedback: try Feedback(feedback)
                )
            )
        case FEEDBACK__V1__WATCH_FEEDBACKS_RESPONSE__EVENT_HEARTBEAT_POSITION:
            self = .heartbeat(LogPosition(String(proto: message.heartbeat_position)))
        default: throw MissingField()
        }
    }
}

extension Feedback__V1__WatchFeedbacksResponse {
    mutating func set(_ event: WatchEvent, _ arena: ProtoArena) throws {
        switch event {
        case .change(let change):
            event_case = FEEDBACK__V1__WATCH_FEEDBACKS_RESPONSE__EVENT_CHANGE
            self.change = try arena.message(of: change)
        case .heartbeat(let position):
            event_case = FEEDBACK__V1__WATCH_FEEDBACKS_RESPONSE__EVENT_HEARTBEAT_POSITION
            heartbeat_position = try arena.string(position.text)
        }
    }
}

extension FeedbackChange.Kind {
    fileprivate init?(_ kind: Feedback__V1__Change__Kind) {
        guard let kind = Self.allCases.first(where: { $0.message == kind }) else { return nil }
        self = kind
    }

    fileprivate var message: Feedback__V1__Change__Kind {
        switch self {
        case .added: FEEDBACK__V1__CHANGE__KIND__KIND_ADDED
        case .updated: FEEDBACK__V1__CHANGE__KIND__KIND_UPDATED
        case .deleted: FEEDBACK__V1__CHANGE__KIND__KIND_DELETED
        case .left: FEEDBACK__V1__CHANGE__KIND__KIND_LEFT
        }
    }
}
