/// Counts of feedback, and the rates computed from them.
public struct Metrics: Sendable, Hashable {
    /// The number of feedbacks rated up.
    public var positive: Int64
    /// The number of feedbacks rated down.
    public var negative: Int64
    /// The number of feedbacks without a rating.
    public var neutral: Int64
    /// The sum of the lengths of all comments, in code points.
    public var commentCodePoints: Int64

    /// Makes metrics from counts.
    public init(
        positive: Int64 = 0,
        negative: Int64 = 0,
        neutral: Int64 = 0,
        commentCodePoints: Int64 = 0
    ) {
        self.positive = positive
        self.negative = negative
        self.neutral = neutral
        self.commentCodePoints = commentCodePoints
    }

    /// The number of feedbacks.
    public var total: Int64 { positive + negative + neutral }
    /// The mean length of a comment in code points, over all feedbacks, those without a comment
    /// included; 0 if there are none.
    public var averageCommentLength: Double { ratio(commentCodePoints, total) }
    /// The satisfaction rate in percent: 100 · positive / total; 0 if there are no feedbacks.
    public var satisfactionRate: Double { 100 * ratio(positive, total) }
    /// The approval rate in percent: 100 · positive / (positive + negative); 0 if none is rated.
    public var approvalRate: Double { 100 * ratio(positive, positive + negative) }

    /// The 95 % confidence interval of the approval rate in percent, if the rated feedbacks are a
    /// sample: the Wilson score interval; nil if none is rated.
    ///
    /// With p the share of positives among n rated and z = 1.96, it is (p + z²/2n ± z √(p(1−p)/n +
    /// z²/4n²)) / (1 + z²/n) (E. B. Wilson, "Probable inference, the law of succession, and
    /// statistical inference", JASA 22, 1927).
    public var approvalInterval: ClosedRange<Double>? {
        let rated = Double(positive + negative)
        guard rated > 0 else { return nil }
        let z = 1.959_963_984_540_054
        let share = Double(positive) / rated
        let centre = share + z * z / (2 * rated)
        let spread =
            z * (share * (1 - share) / rated + z * z / (4 * rated * rated)).squareRoot()
        let scale = 100 / (1 + z * z / rated)
        return max(0, (centre - spread) * scale)...min(100, (centre + spread) * scale)
    }

    /// Returns the number of feedbacks with the rating.
    public func count(of rating: Rating) -> Int64 {
        switch rating {
        case .up: positive
        case .down: negative
        case .none: neutral
        }
    }

    /// Adds one feedback to the counts.
    public mutating func count(_ rating: Rating, commentCodePoints: Int64) {
        switch rating {
        case .up: positive += 1
        case .down: negative += 1
        case .none: neutral += 1
        }
        self.commentCodePoints += commentCodePoints
    }

    /// Returns the sums of both sides' counts.
    public static func + (a: Metrics, b: Metrics) -> Metrics {
        Metrics(
            positive: a.positive + b.positive,
            negative: a.negative + b.negative,
            neutral: a.neutral + b.neutral,
            commentCodePoints: a.commentCodePoints + b.commentCodePoints
        )
    }
}

/// The way in which metrics are grouped.
public enum MetricsGrouping: Sendable, Hashable {
    /// No grouping: the report has no groups.
    case none
    /// One group for each session.
    case session
    /// One group for each value of the sessions' metadata under a top-level key. The group's key is
    /// the value's text, or its JSON if it is not a string; sessions without that key form the
    /// group "".
    case metadata(key: String)
    /// One group for each hour of creation, with keys such as `2024-01-22T15:00:00Z`.
    case hour
    /// One group for each day of creation, with keys such as `2024-01-22`.
    case day
}

/// The filters and the grouping of metrics.
public struct MetricsQuery: Sendable, Hashable {
    /// The session whose feedback is counted; nil for every session.
    ///
    /// An empty one is refused with INVALID_ARGUMENT.
    public var sessionID: String?
    /// The range in which the creation time lies.
    public var created: TimeRange
    /// The way in which the metrics are grouped.
    public var grouping: MetricsGrouping

    /// Makes a query; the default counts all feedback without grouping.
    public init(
        sessionID: String? = nil,
        created: TimeRange = .always,
        grouping: MetricsGrouping = .none
    ) {
        self.sessionID = sessionID
        self.created = created
        self.grouping = grouping
    }
}

/// The metrics of one group.
public struct MetricsGroup: Sendable, Hashable {
    /// The group's key; its form depends on the ``MetricsGrouping``.
    public var key: String
    /// The metrics of the group.
    public var metrics: Metrics

    /// Makes a group.
    public init(key: String, metrics: Metrics) {
        self.key = key
        self.metrics = metrics
    }
}

/// The answer to a ``MetricsQuery``.
public struct MetricsReport: Sendable, Hashable {
    /// The metrics of all groups together.
    public var metrics: Metrics
    /// The groups, in ascending order of their keys' UTF-8 bytes; groups without feedback are left
    /// out.
    public var groups: [MetricsGroup]

    /// Makes a report and sorts the groups.
    public init(metrics: Metrics = Metrics(), groups: [String: Metrics] = [:]) {
        self.init(metrics: metrics, groups: groups.map { MetricsGroup(key: $0, metrics: $1) })
    }

    /// Makes a report and sorts the groups; the keys must be distinct.
    public init(metrics: Metrics, groups: [MetricsGroup]) {
        self.metrics = metrics
        self.groups =
            groups
            .filter { $0.metrics.total > 0 }
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    /// Makes a report and sorts the groups.
    package init(metrics: Metrics, groups: [ExactText: Metrics]) {
        self.init(metrics: metrics, groups: groups.map { MetricsGroup(key: $0.text, metrics: $1) })
    }
}

private func ratio(_ part: Int64, _ whole: Int64) -> Double {
    whole == 0 ? 0 : Double(part) / Double(whole)
}
