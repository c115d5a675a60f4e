/// Which feedback is to be told to somebody.
///
/// A hook passes it down the chain; the store decides by it, in the transaction that stores the
/// feedback, and puts the alert into its queue there.
public struct AlertRule: Sendable, Hashable, Codable {
    /// How often to tell.
    public enum Condition: Sendable, Hashable, Codable {
        /// Every feedback of these ratings.
        case every
        /// The feedback that makes so many of these ratings in a row in its session, 2 to
        /// ``AlertRule/windowMax``. Longer rows tell nothing more; the next row does again.
        case inARow(Int)
        /// The feedback with which the share of these ratings, among the last so many of all
        /// sessions (2 to ``AlertRule/windowMax``), passes the value, from 0 to less than 1. While
        /// the share stays above it, nothing more is told.
        case share(ofLast: Int, above: Double)
    }

    /// How far back conditions may look.
    public static let windowMax = 1_000

    /// Names the queue, by the hook's name.
    public var name: String
    /// The ratings that count.
    public var ratings: Set<Rating>
    /// How often to tell.
    public var condition: Condition

    /// Makes a rule.
    public init(name: String, ratings: Set<Rating> = [.down], condition: Condition = .every) {
        self.name = name
        self.ratings = ratings
        self.condition = condition
    }

    /// Whether the newest of the ratings is worth telling.
    ///
    /// Given are the last ``historyLength`` ratings that the condition looks at, newest first, or all
    /// if there are fewer. The newest is one of ``ratings``.
    package func isMet(by newest: [Rating]) -> Bool {
        switch condition {
        case .every: true
        case .inARow(let length):
            newest.prefix { ratings.contains($0) }.count == length
        case .share(let length, let limit):
            // Before there are so many, a share would say little.
            newest.count >= length && share(newest.prefix(length)) > limit
                && !wasAbove(limit, length, newest)
        }
    }

    /// Whether the share was above the limit already when the last of the ratings came before.
    private func wasAbove(_ limit: Double, _ length: Int, _ newest: [Rating]) -> Bool {
        guard let last = newest.dropFirst().firstIndex(where: { ratings.contains($0) }),
            newest.count >= last + length
        else { return false }
        return share(newest[last..<(last + length)]) > limit
    }

    /// How many ratings the condition looks at, the new one included.
    package var historyLength: Int {
        switch condition {
        case .every: 0
        // One more tells whether the row was there before.
        case .inARow(let length): min(max(length, 0), Self.windowMax) + 1
        // And so many more tell what the share was when the last of the ratings came.
        case .share(let length, _): 2 * min(max(length, 0), Self.windowMax)
        }
    }

    private func share(_ part: ArraySlice<Rating>) -> Double {
        Double(part.count { ratings.contains($0) }) / Double(part.count)
    }
}

/// A feedback that somebody is to be told about.
public struct Alert: Sendable, Hashable {
    /// The rule's name: which queue it is in.
    public var rule: String
    /// The feedback's own name.
    public var feedbackID: FeedbackID
    /// Its session.
    public var sessionID: String
    /// Its rating.
    public var rating: Rating
    /// Its comment, empty for none.
    public var comment: String
    /// When it was accepted.
    public var createdAt: Timestamp
    /// How many of the rule's ratings its session has had, this one included.
    public var sessionCount: Int64
    /// How many of the rule's ratings all sessions have had, this one included.
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

    /// The alert about a feedback that a store is about to keep; nil if it has no id.
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

/// An alert in its queue.
public struct QueuedAlert: Sendable, Hashable {
    /// Where it is on its way.
    public enum State: Sendable, Hashable {
        /// It is tried again at that moment.
        case pending(due: Timestamp)
        /// It was given up: a dead letter.
        case dead
    }

    /// Ascends in the order of queueing; above 0.
    public var id: Int64
    /// What is told.
    public var alert: Alert
    /// Where it is on its way.
    public var state: State
    /// When it was queued, or last made pending again.
    public var queuedAt: Timestamp
    /// How often it was tried since then.
    public var attempts: Int
    /// Why the last attempt failed, without anything of the alert; empty if none has.
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

/// What became of an attempt to deliver an alert.
public struct AlertOutcome: Sendable, Hashable {
    /// What follows.
    public enum Next: Sendable, Hashable {
        /// It was delivered: the alert leaves the queue.
        case delivered
        /// It is tried again at that moment.
        case retry(at: Timestamp, error: String)
        /// It is given up.
        case dead(error: String)
    }

    /// ``QueuedAlert/id``.
    public var id: Int64
    /// What follows.
    public var next: Next

    /// Makes an outcome.
    public init(id: Int64, next: Next) {
        self.id = id
        self.next = next
    }
}

/// Which alerts to list.
public struct AlertQuery: Sendable, Hashable {
    /// The dead letters, or those that are pending.
    public var dead: Bool
    /// How many on the page; 0 means ``FieldLimits/pageSizeDefault``.
    public var pageSize: Int
    /// The former page's ``AlertPage/nextPageToken``; empty for the first page.
    public var pageToken: String

    /// Makes a query; the default is the first page of the dead letters.
    public init(dead: Bool = true, pageSize: Int = 0, pageToken: String = "") {
        self.dead = dead
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// One page of alerts.
public struct AlertPage: Sendable, Hashable {
    /// In the order of their ids.
    public var alerts: [QueuedAlert]
    /// Empty at the end.
    public var nextPageToken: String
    /// How many there are, on all pages.
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
