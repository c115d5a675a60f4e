import FeedbackModel

/// Counts of feedback as the counter tables keep them: by rating, with and without a comment.
///
/// From these follow the metrics and the size of a list with any filter on ratings and comments.
struct Tally {
    private var buckets = InlineArray<6, Int64>(repeating: 0)
    private(set) var commentCodePoints: Int64 = 0

    /// The columns of the counter tables, in order.
    static let columns = [
        "none_bare", "none_commented", "up_bare", "up_commented", "down_bare", "down_commented",
        "comment_code_points",
    ]

    /// The same as they stand in a statement.
    static let columnList = columns.joined(separator: ", ")

    /// Counts one more feedback.
    mutating func count(_ rating: Rating, hasComment: Bool, commentCodePoints: Int64) {
        buckets[Self.bucket(rating, hasComment)] += 1
        self.commentCodePoints += commentCodePoints
    }

    mutating func add(_ other: Tally) {
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        commentCodePoints += other.commentCodePoints
    }

    /// How many have one of the ratings (empty: any) and a comment, none, or either (nil).
    func total(ratings: Set<Rating>, hasComment: Bool?) -> Int64 {
        var total: Int64 = 0
        for rating in Rating.allCases where ratings.isEmpty || ratings.contains(rating) {
            if hasComment != true { total += buckets[Self.bucket(rating, false)] }
            if hasComment != false { total += buckets[Self.bucket(rating, true)] }
        }
        return total
    }

    var metrics: Metrics {
        Metrics(
            positive: total(ratings: [.up], hasComment: nil),
            negative: total(ratings: [.down], hasComment: nil),
            neutral: total(ratings: [.none], hasComment: nil),
            commentCodePoints: commentCodePoints
        )
    }

    private static func bucket(_ rating: Rating, _ hasComment: Bool) -> Int {
        Int(rating.rawValue) * 2 + (hasComment ? 1 : 0)
    }
}

extension Tally {
    /// Reads ``columns`` from the row, from the given column on.
    init(_ row: borrowing PreparedStatement, from column: CInt) {
        for index in buckets.indices { buckets[index] = row.integer(column + CInt(index)) }
        commentCodePoints = row.integer(column + 6)
    }

    /// Binds the values of ``columns``.
    func bind(to statement: inout PreparedStatement) throws {
        for index in buckets.indices { try statement.bind(buckets[index]) }
        try statement.bind(commentCodePoints)
    }
}

/// The hours that a span of time touches.
struct HourSpan {
    /// All of them.
    let touched: ClosedRange<Int64>
    /// Those that lie inside as a whole.
    let whole: ClosedRange<Int64>?
    /// The first and the last, if the span cuts them.
    let cut: [Int64]

    /// Nil if the span is empty.
    init?(_ range: TimeRange) {
        let first = range.from?.hourNumber ?? .min
        // The last moment inside, since the bound itself is outside.
        let last = range.until?.before.hourNumber ?? .max
        if let from = range.from, let until = range.until, from >= until { return nil }
        touched = first...last
        let cutsFirst = range.from.map { !$0.beginsHour } ?? false
        let cutsLast = range.until.map { !$0.beginsHour } ?? false
        let firstWhole = cutsFirst ? first + 1 : first
        let lastWhole = cutsLast ? last - 1 : last
        whole = firstWhole <= lastWhole ? firstWhole...lastWhole : nil
        var cut: [Int64] = []
        if cutsFirst { cut.append(first) }
        if cutsLast, !(cutsFirst && first == last) { cut.append(last) }
        self.cut = cut
    }
}

extension Timestamp {
    /// Hours since 1970-01-01T00:00:00Z, rounded down.
    var hourNumber: Int64 { millisecondsSinceEpoch.floorDivided(by: Timestamp.hourMilliseconds) }

    /// The beginning of an hour.
    init(hourNumber: Int64) {
        self.init(millisecondsSinceEpoch: hourNumber * Timestamp.hourMilliseconds)
    }

    fileprivate var beginsHour: Bool {
        millisecondsSinceEpoch.isMultiple(of: Timestamp.hourMilliseconds)
    }

    fileprivate var before: Timestamp {
        Timestamp(millisecondsSinceEpoch: millisecondsSinceEpoch - 1)
    }
}
