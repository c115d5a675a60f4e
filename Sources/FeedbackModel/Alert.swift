/// A rule that selects the feedback about which an alert is sent.
///
/// The cursor of the rule's destination evaluates it when it comes to the feedback, on all that is
/// there up to that position.
public struct AlertRule: Sendable, Hashable {
    /// The condition under which feedback with one of the rule's ratings causes an alert.
    public enum Condition: Sendable, Hashable {
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

    /// The name of the rule and of its destination.
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
    /// The name of the rule, which is that of its destination.
    public var rule: String
    /// The kind of the change that is told.
    public var kind: FeedbackChange.Kind
    /// The feedback in its present state; it has an id.
    public var feedback: Feedback
    /// The number of feedbacks with the rule's ratings in the session, up to this one.
    public var sessionCount: Int64
    /// The number of feedbacks with the rule's ratings in all sessions, up to this one.
    public var totalCount: Int64

    /// Makes an alert.
    public init(
        rule: String,
        kind: FeedbackChange.Kind = .added,
        feedback: Feedback,
        sessionCount: Int64,
        totalCount: Int64
    ) {
        self.rule = rule
        self.kind = kind
        self.feedback = feedback
        self.sessionCount = sessionCount
        self.totalCount = totalCount
    }
}
