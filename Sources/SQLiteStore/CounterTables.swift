import FeedbackModel
import GRDB

/// Reads the counter tables for a range of time.
///
/// The hours that lie completely within the range are summed up. In the hours that the range cuts,
/// at most two, the feedback itself is counted: the rows between the hour's first and last
/// sequence.
struct CounterTables {
    let db: Database
    /// The session's number, or ``SessionTable/everySession``.
    let session: Int64

    init(_ db: Database, session: Int64) {
        self.db = db
        self.session = session
    }

    /// Returns the counts of the range.
    func total(_ range: TimeRange) throws -> FeedbackCounts {
        if range == .always { return try allTime() }
        guard let span = HourSpan(range) else { return FeedbackCounts() }
        var total = FeedbackCounts()
        if let whole = span.whole {
            var row = try PreparedStatement(
                "SELECT \(Self.sums) \(Self.fromHours)",
                db
            )
            try row.bind(session)
            try row.bind(whole.lowerBound)
            try row.bind(whole.upperBound)
            if try row.step() { total = FeedbackCounts(row, from: 0) }
        }
        for hour in span.cut {
            try forEachCount(hour, range) { _, count in total.add(count) }
        }
        return total
    }

    /// Calls `body` with each hour of the range that has feedback, and its counts.
    func forEachHour(_ range: TimeRange, _ body: (Int64, FeedbackCounts) throws -> Void) throws {
        guard let span = HourSpan(range) else { return }
        if let whole = span.whole {
            var row = try PreparedStatement(
                "SELECT hour_total.hour, \(Self.columns) \(Self.fromHours)",
                db
            )
            try row.bind(session)
            try row.bind(whole.lowerBound)
            try row.bind(whole.upperBound)
            while try row.step() { try body(row.integer(0), FeedbackCounts(row, from: 1)) }
        }
        for hour in span.cut {
            try forEachCount(hour, range) { _, count in try body(hour, count) }
        }
    }

    /// Returns the counts of the sessions that have feedback in the range.
    func bySession(_ range: TimeRange) throws -> [Int64: FeedbackCounts] {
        if session != SessionTable.everySession { return [session: try total(range)] }
        guard let span = HourSpan(range) else { return [:] }
        var sessions: [Int64: FeedbackCounts] = [:]
        if range == .always {
            let row = try PreparedStatement(
                """
                SELECT session, \(FeedbackCounts.columnList) FROM session_total
                WHERE session <> \(SessionTable.everySession)
                """,
                db
            )
            while try row.step() { sessions[row.integer(0)] = FeedbackCounts(row, from: 1) }
            return sessions
        }
        if let whole = span.whole {
            var row = try PreparedStatement(
                """
                SELECT session, \(FeedbackCounts.columnList) FROM hour_total
                WHERE hour BETWEEN ? AND ? AND session <> \(SessionTable.everySession)
                """,
                db
            )
            try row.bind(whole.lowerBound)
            try row.bind(whole.upperBound)
            while try row.step() {
                sessions[row.integer(0), default: FeedbackCounts()].add(
                    FeedbackCounts(row, from: 1)
                )
            }
        }
        for hour in span.cut {
            try forEachCount(hour, range) { sessions[$0, default: FeedbackCounts()].add($1) }
        }
        return sessions
    }

    /// Returns the first and the last sequence of the hours that the range touches; nil if they
    /// have no feedback.
    func sequences(_ range: TimeRange) throws -> ClosedRange<Int64>? {
        guard let span = HourSpan(range) else { return nil }
        var row = try PreparedStatement(
            "SELECT min(hour_total.first_sequence), max(hour_total.last_sequence) \(Self.fromHours)",
            db
        )
        try row.bind(session)
        try row.bind(span.touched.lowerBound)
        try row.bind(span.touched.upperBound)
        guard try row.step(), !row.isNull(0) else { return nil }
        return row.integer(0)...row.integer(1)
    }

    private func allTime() throws -> FeedbackCounts {
        var search = try Self.totalSearch(db)
        return try Self.total(ofSession: session, by: &search)
    }

    /// Returns the counts of a session for all time, by a statement that many searches share.
    static func total(
        ofSession session: Int64,
        by search: inout PreparedStatement
    ) throws -> FeedbackCounts {
        defer { search.reset() }
        try search.bind(session)
        return try search.step() ? FeedbackCounts(search, from: 0) : FeedbackCounts()
    }

    static func totalSearch(_ db: Database) throws -> PreparedStatement {
        try PreparedStatement(
            "SELECT \(FeedbackCounts.columnList) FROM session_total WHERE session = ?",
            db
        )
    }

    /// Calls `body` for each feedback in an hour that the range cuts, with its session and its
    /// count.
    private func forEachCount(
        _ hour: Int64,
        _ range: TimeRange,
        _ body: (Int64, FeedbackCounts) throws -> Void
    ) throws {
        let from = Timestamp(hourNumber: hour)
        let until = Timestamp(hourNumber: hour + 1)
        guard let sequences = try sequences(TimeRange(from: from, until: until)) else { return }
        let isOne = session != SessionTable.everySession
        var row = try PreparedStatement(
            """
            SELECT session, rating, comment IS NOT NULL, ifnull(length(comment), 0)
            FROM feedback \(isOne ? "INDEXED BY feedback_session" : "NOT INDEXED")
            WHERE \(isOne ? "session = ? AND " : "")sequence BETWEEN ? AND ?
                AND created_at >= ? AND created_at < ?
            """,
            db
        )
        if isOne { try row.bind(session) }
        try row.bind(sequences.lowerBound)
        try row.bind(sequences.upperBound)
        try row.bind(max(range.from ?? from, from).millisecondsSinceEpoch)
        try row.bind(min(range.until ?? until, until).millisecondsSinceEpoch)
        while try row.step() {
            var counts = FeedbackCounts()
            counts.count(
                try FeedbackTable.rating(row, 1),
                hasComment: row.integer(2) != 0,
                commentCodePoints: row.integer(3)
            )
            try body(row.integer(0), counts)
        }
    }

    /// Selects a session's rows of a range of hours, with one search for each hour that has any
    /// feedback.
    static let fromHours = """
        FROM hour_total AS every INDEXED BY hour_total_every
        CROSS JOIN hour_total ON hour_total.hour = every.hour AND hour_total.session = ?
        WHERE every.session = \(SessionTable.everySession) AND every.hour BETWEEN ? AND ?
        """

    private static let columns =
        FeedbackCounts.columns.map { "hour_total.\($0)" }.joined(separator: ", ")
    private static let sums =
        FeedbackCounts.columns.map { "ifnull(sum(hour_total.\($0)), 0)" }.joined(separator: ", ")
}
