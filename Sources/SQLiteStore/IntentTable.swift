import FeedbackModel
import GRDB

/// The table `intent` of a journal: feedback of whose add the other store's outcome is not known.
enum IntentTable {
    /// Inserts a feedback.
    static func insert(_ feedback: Feedback, _ db: Database) throws {
        var row = try PreparedStatement(
            """
            INSERT INTO intent (session_id, feedback_id, request_id, rating, comment, created_at,
                updated_at, message_id, agent_id, author_source, author_id, tags, attributes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            db
        )
        try row.bind(feedback.sessionID)
        try FeedbackTable.bind(feedback, to: &row)
        try row.run()
    }

    /// Deletes a feedback and returns it; nil if it is not there.
    static func take(_ id: FeedbackID, _ db: Database) throws -> Feedback? {
        var row = try PreparedStatement("\(selection) WHERE feedback_id = ?", db)
        try row.bind(id)
        guard try row.step() else { return nil }
        let feedback = try FeedbackTable.feedback(row, sessionID: row.text(14))
        var deletion = try PreparedStatement("DELETE FROM intent WHERE feedback_id = ?", db)
        try deletion.bind(id)
        try deletion.run()
        return feedback
    }

    /// Returns feedback in the order of the identifiers, from the one after `id` on.
    static func list(after id: FeedbackID?, limit: Int, _ db: Database) throws -> [Feedback] {
        var row = try PreparedStatement(
            "\(selection) WHERE feedback_id > ? ORDER BY feedback_id LIMIT ?",
            db
        )
        try row.bind(id ?? FeedbackID(high: 0, low: 0))
        try row.bind(Int64(limit))
        var feedbacks: [Feedback] = []
        while try row.step() {
            // A damaged one must not hold up the others.
            if let feedback = try? FeedbackTable.feedback(row, sessionID: row.text(14)) {
                feedbacks.append(feedback)
            }
        }
        return feedbacks
    }

    /// The beginning of a query whose rows ``FeedbackTable/feedback(_:sessionID:)`` reads.
    private static let selection = """
        SELECT 0, 0, feedback_id, request_id, rating, comment, created_at, updated_at, message_id,
            agent_id, author_source, author_id, tags, attributes, session_id
        FROM intent
        """
}
