import FeedbackModel

/// The counts of feedback in the counter tables, by rating and by whether there is a comment.
///
/// Metrics, and the size of a list with any filter on ratings and comments, follow from them.
struct FeedbackCounts {
    private var buckets = InlineArray<6, Int64>(repeating: 0)
    private(set) var commentCodePoints: Int64 = 0

    /// The columns of the counter tables, in order.
    static let columns = [
        "none_bare", "none_commented", "up_bare", "up_commented", "down_bare", "down_commented",
        "comment_code_points",
    ]

    /// The columns as a list in SQL.
    static let columnList = columns.joined(separator: ", ")

    /// Counts one more feedback.
    mutating func count(_ rating: Rating, hasComment: Bool, commentCodePoints: Int64) {
        buckets[Self.bucket(rating, hasComment)] += 1
        self.commentCodePoints += commentCodePoints
    }

    mutating func add(_ other: FeedbackCounts) {
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        commentCodePoints += other.commentCodePoints
    }

    /// Returns the number of feedbacks with one of the ratings (any if the set is empty), and with
    /// a comment (true), without one (false) or either (nil).
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

extension FeedbackCounts {
    /// Reads ``columns`` from the row, starting at `column`.
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

/// The hours that a range of time touches.
struct HourSpan {
    /// All hours that the range touches.
    let touched: ClosedRange<Int64>
    /// The hours that lie completely within the range; nil if there are none.
    let whole: ClosedRange<Int64>?
    /// The first and the last hour, if the range cuts them.
    let cut: [Int64]

    /// Makes the hours of a range; nil if the range is empty.
    init?(_ range: TimeRange) {
        let first = range.from?.hourNumber ?? .min
        // The last moment within the range, since the bound itself is outside.
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
    /// The number of hours since 1970-01-01T00:00:00Z, rounded down.
    var hourNumber: Int64 { millisecondsSinceEpoch.floorDivided(by: Timestamp.hourMilliseconds) }

    /// Makes the start of an hour.
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
