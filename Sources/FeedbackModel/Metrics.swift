/// Counts of feedback and the rates that follow from them.
public struct Metrics: Sendable, Hashable {
    /// How many are rated up.
    public var positive: Int64
    /// How many are rated down.
    public var negative: Int64
    /// How many have no rating.
    public var neutral: Int64
    /// The length of all comments together, in code points.
    public var commentCodePoints: Int64

    /// Makes metrics of counts.
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

    /// How many there are.
    public var total: Int64 { positive + negative + neutral }
    /// In code points, over all feedback; 0 when there is none.
    public var averageCommentLength: Double { ratio(commentCodePoints, total) }
    /// 100 · positive / total; 0 when there is none.
    public var satisfactionRate: Double { 100 * ratio(positive, total) }
    /// 100 · positive / (positive + negative); 0 when none is rated.
    public var approvalRate: Double { 100 * ratio(positive, positive + negative) }

    /// Between which rates, in percent, the approval is likely to be that the counts are a sample of:
    /// the Wilson score interval at 95 %; nil when none is rated.
    ///
    /// With p the share of positives among n rated and z = 1.96, it is
    /// (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) (E. B. Wilson, "Probable inference, the law
    /// of succession, and statistical inference", JASA 22, 1927).
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

    /// How many have that rating.
    public func count(of rating: Rating) -> Int64 {
        switch rating {
        case .up: positive
        case .down: negative
        case .none: neutral
        }
    }

    /// Counts one more feedback.
    public mutating func count(_ rating: Rating, commentCodePoints: Int64) {
        switch rating {
        case .up: positive += 1
        case .down: negative += 1
        case .none: neutral += 1
        }
        self.commentCodePoints += commentCodePoints
    }

    /// Both together.
    public static func + (a: Metrics, b: Metrics) -> Metrics {
        Metrics(
            positive: a.positive + b.positive,
            negative: a.negative + b.negative,
            neutral: a.neutral + b.neutral,
            commentCodePoints: a.commentCodePoints + b.commentCodePoints
        )
    }
}

/// How metrics are split.
public enum MetricsGrouping: Sendable, Hashable {
    /// Not at all.
    case none
    /// By session.
    case session
    /// By the value of the sessions' metadata under a top-level key. The group's key is the value's
    /// text, or its JSON if it is not a string; sessions without that key make the group "".
    case metadata(key: String)
    /// By hour of creation, with keys like `2024-01-22T15:00:00Z`.
    case hour
    /// By day of creation, with keys like `2024-01-22`.
    case day
}

/// What to measure.
public struct MetricsQuery: Sendable, Hashable {
    /// Empty: every session.
    public var sessionID: String
    /// When it was created.
    public var created: TimeRange
    /// How to split.
    public var grouping: MetricsGrouping

    /// Makes a query; the default measures everything as one.
    public init(
        sessionID: String = "",
        created: TimeRange = .always,
        grouping: MetricsGrouping = .none
    ) {
        self.sessionID = sessionID
        self.created = created
        self.grouping = grouping
    }
}

/// The metrics of one part.
public struct MetricsGroup: Sendable, Hashable {
    /// What the part is called.
    public var key: String
    /// Its metrics.
    public var metrics: Metrics

    /// Makes a group.
    public init(key: String, metrics: Metrics) {
        self.key = key
        self.metrics = metrics
    }
}

/// The answer to a ``MetricsQuery``.
public struct MetricsReport: Sendable, Hashable {
    /// Everything together.
    public var metrics: Metrics
    /// The parts, in ascending order of their keys' UTF-8; parts without feedback are left out.
    public var groups: [MetricsGroup]

    /// Makes a report, putting the groups in order.
    public init(metrics: Metrics = Metrics(), groups: [String: Metrics] = [:]) {
        self.init(metrics: metrics, groups: groups.map { MetricsGroup(key: $0, metrics: $1) })
    }

    /// Makes a report, putting the groups in order; each key has to be there once.
    public init(metrics: Metrics, groups: [MetricsGroup]) {
        self.metrics = metrics
        self.groups =
            groups
            .filter { $0.metrics.total > 0 }
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    /// Makes a report, putting the groups in order.
    package init(metrics: Metrics, groups: [ExactText: Metrics]) {
        self.init(metrics: metrics, groups: groups.map { MetricsGroup(key: $0.text, metrics: $1) })
    }
}

private func ratio(_ part: Int64, _ whole: Int64) -> Double {
    whole == 0 ? 0 : Double(part) / Double(whole)
}
