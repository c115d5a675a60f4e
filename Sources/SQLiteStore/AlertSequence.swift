import FeedbackModel
import GRDB

/// Gives out the ids of the alerts that one transaction queues.
///
/// No id is given out twice, so that what is said of an alert is never said of another, and they
/// ascend from transaction to transaction. They are counted here, and ``end()`` writes how far;
/// SQLite's AUTOINCREMENT writes that for each row. There may be one at a time on a connection.
struct AlertSequence: ~Copyable {
    private let db: Database
    private var nextID: Int64

    /// Begins with what the last one has left.
    init(_ db: Database) throws {
        let row = try PreparedStatement("SELECT next_id FROM alert_sequence", db)
        guard try row.step() else {
            throw FeedbackError(.dataLoss, "the id of the next alert is missing")
        }
        self.db = db
        self.nextID = row.integer(0)
    }

    mutating func next() -> Int64 {
        defer { nextID += 1 }
        return nextID
    }

    /// Notes which ids were given out.
    consuming func end() throws {
        var update = try PreparedStatement("UPDATE alert_sequence SET next_id = ?", db)
        try update.bind(nextID)
        try update.run()
    }
}
