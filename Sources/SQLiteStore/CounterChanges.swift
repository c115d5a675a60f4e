import FeedbackModel
import GRDB

/// The changes that one transaction makes to the counter tables.
///
/// Each changed row costs one statement, however many feedbacks it counts.
struct CounterChanges {
    private struct SessionHour: Hashable {
        var session: Int64
        var hour: Int64
    }

    private struct Hour {
        var counts = FeedbackCounts()
        var firstSequence: Int64
        var lastSequence: Int64

        mutating func add(_ other: Hour) {
            counts.add(other.counts)
            firstSequence = min(firstSequence, other.firstSequence)
            lastSequence = max(lastSequence, other.lastSequence)
        }
    }

    private var everySession = FeedbackCounts()
    private var sessions: [Int64: FeedbackCounts] = [:]
    private var hours: [SessionHour: Hour] = [:]

    /// Counts a new feedback; the sequences of successive calls must ascend.
    mutating func count(_ feedback: Feedback, session: Int64, sequence: Int64) {
        let length = Int64(feedback.comment.codePointCount)
        var one = FeedbackCounts()
        one.count(feedback.rating, hasComment: length > 0, commentCodePoints: length)
        everySession.add(one)
        sessions[session, default: FeedbackCounts()].add(one)
        let key = SessionHour(session: session, hour: feedback.createdAt.hourNumber)
        hours[key, default: Hour(firstSequence: sequence, lastSequence: sequence)].add(
            Hour(counts: one, firstSequence: sequence, lastSequence: sequence)
        )
    }

    func write(to db: Database) throws {
        if sessions.isEmpty { return }
        var upsert = try PreparedStatement(Self.sessionUpsert, db)
        try Self.write(everySession, of: SessionTable.everySession, by: &upsert)
        for (session, counts) in sessions { try Self.write(counts, of: session, by: &upsert) }

        var hourUpsert = try PreparedStatement(Self.hourUpsert, db)
        var hoursOfAll: [Int64: Hour] = [:]
        for (key, hour) in hours {
            try Self.write(hour, of: key, by: &hourUpsert)
            if hoursOfAll[key.hour]?.add(hour) == nil { hoursOfAll[key.hour] = hour }
        }
        for (hour, counted) in hoursOfAll {
            let key = SessionHour(session: SessionTable.everySession, hour: hour)
            try Self.write(counted, of: key, by: &hourUpsert)
        }
    }

    private static func write(
        _ counts: FeedbackCounts,
        of session: Int64,
        by upsert: inout PreparedStatement
    ) throws {
        try upsert.bind(session)
        try counts.bind(to: &upsert)
        try upsert.run()
    }

    private static func write(
        _ hour: Hour,
        of key: SessionHour,
        by upsert: inout PreparedStatement
    ) throws {
        try upsert.bind(key.session)
        try upsert.bind(key.hour)
        try hour.counts.bind(to: &upsert)
        try upsert.bind(hour.firstSequence)
        try upsert.bind(hour.lastSequence)
        try upsert.run()
    }

    private static let placeholders = FeedbackCounts.columns.map { _ in "?" }.joined(
        separator: ", "
    )
    private static let additions =
        FeedbackCounts.columns.map { "\($0) = \($0) + excluded.\($0)" }.joined(separator: ", ")

    private static let sessionUpsert = """
        INSERT INTO session_total (session, \(FeedbackCounts.columnList)) VALUES (?, \(placeholders))
        ON CONFLICT (session) DO UPDATE SET \(additions)
        """

    // Another process may have written between two transactions of this one, so both ends may move.
    private static let hourUpsert = """
        INSERT INTO hour_total (session, hour, \(FeedbackCounts.columnList), first_sequence, last_sequence)
        VALUES (?, ?, \(placeholders), ?, ?)
        ON CONFLICT (hour, session) DO UPDATE SET \(additions),
            first_sequence = min(first_sequence, excluded.first_sequence),
            last_sequence = max(last_sequence, excluded.last_sequence)
        """
}
