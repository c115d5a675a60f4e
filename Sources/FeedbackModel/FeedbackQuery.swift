/// A half-open range of time; a bound that is nil is no bound.
public struct TimeRange: Sendable, Hashable {
    /// The first moment of the range.
    public var from: Timestamp?
    /// The first moment after the range.
    public var until: Timestamp?

    /// Makes a span.
    public init(from: Timestamp? = nil, until: Timestamp? = nil) {
        self.from = from
        self.until = until
    }

    /// The range without bounds.
    public static let always = TimeRange()

    /// Returns true if the moment lies within the range.
    public func contains(_ moment: Timestamp) -> Bool {
        if let from, moment < from { return false }
        if let until, moment >= until { return false }
        return true
    }
}

/// The conditions by which feedback is selected; all of them must be met.
public struct FeedbackFilter: Sendable, Hashable {
    /// The session whose feedback is selected; nil for every session.
    ///
    /// An empty one is refused with INVALID_ARGUMENT.
    public var sessionID: String?
    /// The ratings that are selected; empty for any rating.
    public var ratings: Set<Rating>
    /// The range in which the creation time lies.
    public var created: TimeRange
    /// The message whose feedback is selected; empty for any message.
    public var messageID: String
    /// True to select only feedback with a comment, false only feedback without one, nil both.
    public var hasComment: Bool?

    /// Makes a filter; the default selects all feedback.
    public init(
        sessionID: String? = nil,
        ratings: Set<Rating> = [],
        created: TimeRange = .always,
        messageID: String = "",
        hasComment: Bool? = nil
    ) {
        self.sessionID = sessionID
        self.ratings = ratings
        self.created = created
        self.messageID = messageID
        self.hasComment = hasComment
    }

    /// Returns true if the feedback meets all conditions.
    public func matches(_ feedback: Feedback) -> Bool {
        (sessionID.map { ExactText(feedback.sessionID) == ExactText($0) } ?? true)
            && (ratings.isEmpty || ratings.contains(feedback.rating))
            && created.contains(feedback.createdAt)
            && (messageID.isEmpty || ExactText(feedback.draft.messageID) == ExactText(messageID))
            && (hasComment == nil || hasComment != feedback.comment.isEmpty)
    }
}

/// The filter, the order and the page of a list of feedback.
///
/// All pages of one list must be requested with the same values of every field but ``pageSize`` and
/// ``pageToken``.
public struct FeedbackQuery: Sendable, Hashable {
    /// The feedback that is listed.
    public var filter: FeedbackFilter
    /// True to list the newest feedback first, false to list in the order of insertion.
    public var newestFirst: Bool
    /// The maximum number of feedbacks on the page; 0 means ``FieldLimits/pageSizeDefault``.
    public var pageSize: Int
    /// The ``FeedbackPage/nextPageToken`` of the previous page; empty for the first page.
    public var pageToken: String

    /// Makes a query with a filter.
    public init(
        _ filter: FeedbackFilter,
        newestFirst: Bool = false,
        pageSize: Int = 0,
        pageToken: String = ""
    ) {
        self.filter = filter
        self.newestFirst = newestFirst
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    /// Makes a query with a filter of these conditions; the default lists all feedback.
    public init(
        sessionID: String? = nil,
        ratings: Set<Rating> = [],
        created: TimeRange = .always,
        messageID: String = "",
        hasComment: Bool? = nil,
        newestFirst: Bool = false,
        pageSize: Int = 0,
        pageToken: String = ""
    ) {
        self.init(
            FeedbackFilter(
                sessionID: sessionID,
                ratings: ratings,
                created: created,
                messageID: messageID,
                hasComment: hasComment
            ),
            newestFirst: newestFirst,
            pageSize: pageSize,
            pageToken: pageToken
        )
    }
}

/// One page of a list of feedback.
public struct FeedbackPage: Sendable, Hashable {
    /// The feedback, in the order that the query asks for.
    public var feedbacks: [Feedback]
    /// The token for the next page; empty on the last page.
    public var nextPageToken: String
    /// The number of feedbacks that meet the filters, on all pages.
    public var totalSize: Int64

    /// Makes a page.
    public init(feedbacks: [Feedback] = [], nextPageToken: String = "", totalSize: Int64 = 0) {
        self.feedbacks = feedbacks
        self.nextPageToken = nextPageToken
        self.totalSize = totalSize
    }
}
