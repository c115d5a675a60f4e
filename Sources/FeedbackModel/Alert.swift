/// A rule that selects the feedback about which an alert is sent.
///
/// A hook passes the rule down the chain. The store evaluates it in the transaction that stores the
/// feedback and queues the alert in the same transaction.
public struct AlertRule: Sendable, Hashable, Codable {
    /// The condition under which feedback with one of the rule's ratings causes an alert.
    public enum Condition: Sendable, Hashable, Codable {
        /// Every feedback with one of the rule's ratings causes an alert.
        case every
        /// The feedback that completes a run of this many consecutive feedbacks with the rule's
        /// ratings in its session causes an alert; 2 to ``AlertRule/windowMax``. A longer run
        /// causes no further alert, the next run does.
        case inARow(Int)
        /// The feedback with which the share of the rule's ratings among the last `ofLast`
        /// feedbacks of all sessions (2 to ``AlertRule/windowMax``) rises above `above` (from 0 to
        /// less than 1) causes an alert. While the share stays above it, there is no further alert.
        case share(ofLast: Int, above: Double)
    }

    /// The maximum number of feedbacks over which a condition may be defined.
    public static let windowMax = 1_000

    /// The name of the rule's queue: the name of its hook.
    public var name: String
    /// The ratings to which the condition applies.
    public var ratings: Set<Rating>
    /// The condition under which an alert is sent.
    public var condition: Condition

    /// Makes a rule.
    public init(name: String, ratings: Set<Rating> = [.down], condition: Condition = .every) {
        self.name = name
        self.ratings = ratings
        self.condition = condition
    }

    /// Returns true if the newest of the ratings causes an alert.
    ///
    /// `newest` holds the last ``historyLength`` ratings that the condition considers, newest
    /// first, or all if there are fewer. The newest is one of ``ratings``.
    package func isMet(by newest: [Rating]) -> Bool {
        switch condition {
        case .every: true
        case .inARow(let length):
            newest.prefix { ratings.contains($0) }.count == length
        case .share(let length, let limit):
            // With fewer ratings than the window has, a share would say little.
            newest.count >= length && share(newest.prefix(length)) > limit
                && !wasAbove(limit, length, newest)
        }
    }

    /// Returns true if the share was above the limit already when the previous one of the rule's
    /// ratings was the newest.
    private func wasAbove(_ limit: Double, _ length: Int, _ newest: [Rating]) -> Bool {
        guard let last = newest.dropFirst().firstIndex(where: { ratings.contains($0) }),
            newest.count >= last + length
        else { return false }
        return share(newest[last..<(last + length)]) > limit
    }

    /// The number of ratings that the condition considers, the newest included.
    package var historyLength: Int {
        switch condition {
        case .every: 0
        // One more rating shows whether the run had reached its length before.
        case .inARow(let length): min(max(length, 0), Self.windowMax) + 1
        // Another `length` ratings give the share at the time of the previous one of the rule's
        // ratings.
        case .share(let length, _): 2 * min(max(length, 0), Self.windowMax)
        }
    }

    private func share(_ part: ArraySlice<Rating>) -> Double {
        Double(part.count { ratings.contains($0) }) / Double(part.count)
    }
}

/// A feedback to report to a destination outside the daemon.
public struct Alert: Sendable, Hashable {
    /// The name of the rule, and so of the queue that holds the alert.
    public var rule: String
    /// The identifier of the feedback.
    public var feedbackID: FeedbackID
    /// The session of the feedback.
    public var sessionID: String
    /// The rating of the feedback.
    public var rating: Rating
    /// The comment of the feedback; empty if there is none.
    public var comment: String
    /// The time at which the feedback was accepted.
    public var createdAt: Timestamp
    /// The number of feedbacks with the rule's ratings in the session, this one included.
    public var sessionCount: Int64
    /// The number of feedbacks with the rule's ratings in all sessions, this one included.
    public var totalCount: Int64

    /// Makes an alert.
    public init(
        rule: String,
        feedbackID: FeedbackID,
        sessionID: String,
        rating: Rating,
        comment: String,
        createdAt: Timestamp,
        sessionCount: Int64,
        totalCount: Int64
    ) {
        self.rule = rule
        self.feedbackID = feedbackID
        self.sessionID = sessionID
        self.rating = rating
        self.comment = comment
        self.createdAt = createdAt
        self.sessionCount = sessionCount
        self.totalCount = totalCount
    }

    /// Makes the alert about a feedback that a store is about to keep; nil if the feedback has no
    /// id.
    package init?(rule: String, feedback: Feedback, sessionCount: Int64, totalCount: Int64) {
        guard let id = feedback.id else { return nil }
        self.init(
            rule: rule,
            feedbackID: id,
            sessionID: feedback.sessionID,
            rating: feedback.rating,
            comment: feedback.comment,
            createdAt: feedback.createdAt,
            sessionCount: sessionCount,
            totalCount: totalCount
        )
    }
}

/// An alert in the outbox.
public struct QueuedAlert: Sendable, Hashable {
    /// The delivery state of the alert.
    public enum State: Sendable, Hashable {
        /// The alert is delivered, or tried again, at `due`.
        case pending(due: Timestamp)
        /// The alert is a dead letter: no further attempt is made.
        case dead
    }

    /// The alert's number, above 0, which ascends in the order of queueing.
    public var id: Int64
    /// The alert to deliver.
    public var alert: Alert
    /// The delivery state.
    public var state: State
    /// The time at which the alert was queued, or last made pending again.
    public var queuedAt: Timestamp
    /// The number of attempts since ``queuedAt``.
    public var attempts: Int
    /// The reason for which the last attempt failed, without any content of the alert; empty if no
    /// attempt has failed.
    public var lastError: String

    /// Makes a queued alert.
    public init(
        id: Int64,
        alert: Alert,
        state: State,
        queuedAt: Timestamp,
        attempts: Int = 0,
        lastError: String = ""
    ) {
        self.id = id
        self.alert = alert
        self.state = state
        self.queuedAt = queuedAt
        self.attempts = attempts
        self.lastError = lastError
    }
}

/// The outcome of an attempt to deliver an alert.
public struct AlertOutcome: Sendable, Hashable {
    /// The change of the alert's state after an attempt.
    public enum Next: Sendable, Hashable {
        /// The alert was delivered and leaves the queue.
        case delivered
        /// The alert is tried again at that time.
        case retry(at: Timestamp, error: String)
        /// The alert becomes a dead letter.
        case dead(error: String)
    }

    /// The ``QueuedAlert/id`` of the alert.
    public var id: Int64
    /// The change of the alert's state.
    public var next: Next

    /// Makes an outcome.
    public init(id: Int64, next: Next) {
        self.id = id
        self.next = next
    }
}

/// A request for a page of queued alerts.
public struct AlertQuery: Sendable, Hashable {
    /// True to list the dead letters, false to list the pending alerts.
    public var dead: Bool
    /// The maximum number of alerts on the page; 0 means ``FieldLimits/pageSizeDefault``.
    public var pageSize: Int
    /// The ``AlertPage/nextPageToken`` of the previous page; empty for the first page.
    public var pageToken: String

    /// Makes a query; the default is the first page of the dead letters.
    public init(dead: Bool = true, pageSize: Int = 0, pageToken: String = "") {
        self.dead = dead
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// One page of queued alerts.
public struct AlertPage: Sendable, Hashable {
    /// The alerts, in ascending order of their ids.
    public var alerts: [QueuedAlert]
    /// The token for the next page; empty on the last page.
    public var nextPageToken: String
    /// The number of alerts on all pages.
    public var totalSize: Int64

    /// Makes a page.
    public init(
        alerts: [QueuedAlert] = [],
        nextPageToken: String = "",
        totalSize: Int64 = 0
    ) {
        self.alerts = alerts
        self.nextPageToken = nextPageToken
        self.totalSize = totalSize
    }
}
