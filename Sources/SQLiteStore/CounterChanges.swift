import FeedbackModel
import GRDB

/// What one transaction adds to the counter tables, with one statement for each row that changes,
/// however many feedbacks it counts.
struct CounterChanges {
    private struct SessionHour: Hashable {
        var session: Int64
        var hour: Int64
    }

    private struct Hour {
        var tally = Tally()
        var firstSequence: Int64
        var lastSequence: Int64
    }

    private var sessions: [Int64: Tally] = [:]
    private var hours: [SessionHour: Hour] = [:]

    /// Counts a new row; sequences must ascend.
    mutating func count(_ feedback: Feedback, session: Int64, sequence: Int64) {
        let hour = feedback.createdAt.hourNumber
        let length = Int64(feedback.comment.codePointCount)
        for session in [SessionTable.everySession, session] {
            sessions[session, default: Tally()].count(
                feedback.rating,
                hasComment: length > 0,
                commentCodePoints: length
            )
            let key = SessionHour(session: session, hour: hour)
            var counted = hours[key] ?? Hour(firstSequence: sequence, lastSequence: sequence)
            counted.tally.count(feedback.rating, hasComment: length > 0, commentCodePoints: length)
            counted.lastSequence = sequence
            hours[key] = counted
        }
    }

    /// What is added to a session's counts.
    func tally(ofSession session: Int64) -> Tally { sessions[session] ?? Tally() }

    func write(to db: Database) throws {
        for (session, tally) in sessions {
            var upsert = try PreparedStatement(Self.sessionUpsert, db)
            try upsert.bind(session)
            try tally.bind(to: &upsert)
            try upsert.run()
        }
        for (key, hour) in hours {
            var upsert = try PreparedStatement(Self.hourUpsert, db)
            try upsert.bind(key.session)
            try upsert.bind(key.hour)
            try hour.tally.bind(to: &upsert)
            try upsert.bind(hour.firstSequence)
            try upsert.bind(hour.lastSequence)
            try upsert.run()
        }
    }

    private static let placeholders = Tally.columns.map { _ in "?" }.joined(separator: ", ")
    private static let additions =
        Tally.columns.map { "\($0) = \($0) + excluded.\($0)" }.joined(separator: ", ")

    private static let sessionUpsert = """
        INSERT INTO session_total (session, \(Tally.columnList)) VALUES (?, \(placeholders))
        ON CONFLICT (session) DO UPDATE SET \(additions)
        """

    // Another process may have written between two of this one's transactions, so both ends move.
    private static let hourUpsert = """
        INSERT INTO hour_total (session, hour, \(Tally.columnList), first_sequence, last_sequence)
        VALUES (?, ?, \(placeholders), ?, ?)
        ON CONFLICT (hour, session) DO UPDATE SET \(additions),
            first_sequence = min(first_sequence, excluded.first_sequence),
            last_sequence = max(last_sequence, excluded.last_sequence)
        """
}
