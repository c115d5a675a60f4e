/// A half-open span of time; a missing bound is no bound.
public struct TimeRange: Sendable, Hashable {
    /// The first moment inside.
    public var from: Timestamp?
    /// The first moment after.
    public var until: Timestamp?

    /// Makes a span.
    public init(from: Timestamp? = nil, until: Timestamp? = nil) {
        self.from = from
        self.until = until
    }

    /// All time.
    public static let always = TimeRange()

    /// Whether the moment lies inside.
    public func contains(_ moment: Timestamp) -> Bool {
        if let from, moment < from { return false }
        if let until, moment >= until { return false }
        return true
    }
}

/// Which feedback to list.
///
/// Pages of one list must repeat all fields but `pageSize` and `pageToken`.
public struct FeedbackQuery: Sendable, Hashable {
    /// Empty: every session.
    public var sessionID: String
    /// Empty: any rating.
    public var ratings: Set<Rating>
    /// When it was created.
    public var created: TimeRange
    /// Empty: any message.
    public var messageID: String
    /// With a comment, without one, or both (nil).
    public var hasComment: Bool?
    /// False: in the order of insertion.
    public var newestFirst: Bool
    /// How many on the page; 0 means ``FieldLimits/pageSizeDefault``.
    public var pageSize: Int
    /// The former page's ``FeedbackPage/nextPageToken``; empty for the first page.
    public var pageToken: String

    /// Makes a query; the default lists everything.
    public init(
        sessionID: String = "",
        ratings: Set<Rating> = [],
        created: TimeRange = .always,
        messageID: String = "",
        hasComment: Bool? = nil,
        newestFirst: Bool = false,
        pageSize: Int = 0,
        pageToken: String = ""
    ) {
        self.sessionID = sessionID
        self.ratings = ratings
        self.created = created
        self.messageID = messageID
        self.hasComment = hasComment
        self.newestFirst = newestFirst
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    /// Whether the feedback belongs to the list.
    public func matches(_ feedback: Feedback) -> Bool {
        (sessionID.isEmpty || ExactText(feedback.sessionID) == ExactText(sessionID))
            && (ratings.isEmpty || ratings.contains(feedback.rating))
            && created.contains(feedback.createdAt)
            && (messageID.isEmpty || ExactText(feedback.draft.messageID) == ExactText(messageID))
            && (hasComment == nil || hasComment != feedback.comment.isEmpty)
    }
}

/// One page of a list.
public struct FeedbackPage: Sendable, Hashable {
    /// In the list's order.
    public var feedbacks: [Feedback]
    /// Empty at the end.
    public var nextPageToken: String
    /// How many match, on all pages.
    public var totalSize: Int64

    /// Makes a page.
    public init(feedbacks: [Feedback] = [], nextPageToken: String = "", totalSize: Int64 = 0) {
        self.feedbacks = feedbacks
        self.nextPageToken = nextPageToken
        self.totalSize = totalSize
    }
}
