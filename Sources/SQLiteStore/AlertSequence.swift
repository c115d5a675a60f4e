import FeedbackModel
import GRDB

/// Assigns the ids of the alerts that one transaction queues.
///
/// No id is used twice, so that a statement about an alert never concerns another one, and ids
/// ascend from transaction to transaction. They are counted in memory, and ``end()`` stores the
/// next one once for each transaction; SQLite's AUTOINCREMENT would do so for each row. Only one
/// sequence may exist on a connection at a time.
struct AlertSequence: ~Copyable {
    private let db: Database
    private var nextID: Int64

    /// Makes a sequence that continues where the previous one ended.
    init(_ db: Database) throws {
        let row = try PreparedStatement("SELECT next_id FROM alert_sequence", db)
        guard try row.step() else {
            throw CallError(.dataLoss, "the id of the next alert is missing")
        }
        self.db = db
        self.nextID = row.integer(0)
    }

    mutating func next() -> Int64 {
        defer { nextID += 1 }
        return nextID
    }

    /// Stores the next id.
    consuming func end() throws {
        var update = try PreparedStatement("UPDATE alert_sequence SET next_id = ?", db)
        try update.bind(nextID)
        try update.run()
    }
}
