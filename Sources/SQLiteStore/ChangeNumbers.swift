import FeedbackModel
import GRDB
import GRDBSQLite
import Glibc
import Synchronization

/// Gives each write of the log its number, on the writer's queue.
///
/// A number is above every one that was given before: to feedback, whose sequence is its first
/// number, to a feedback's or a session's later changes, and to what has been purged or passed by a
/// cursor. The last one is kept in memory, and looked up when somebody else has written to the file
/// since this connection's last commit.
final class ChangeNumbers: @unchecked Sendable {
    // Unchecked: used on the writer's queue only.

    private var last: Int64 = 0
    private let committedLast = Atomic<Int64>(0)
    /// SQLite's version of the data after the last commit of this connection; nil if it does not
    /// tell that ``last`` is right.
    private var dataVersion: UInt32?

    /// Prepares for a transaction that has begun, in which nobody else can write.
    func begin(_ db: Database) throws {
        let version = Self.dataVersion(db)
        if dataVersion != version { last = try ChangeNumbers.last(db) }
        dataVersion = nil
    }

    /// Returns the next number.
    func next() -> Int64 {
        last += 1
        return last
    }

    /// Takes the last number back, which was not used.
    func giveBack() { last -= 1 }

    /// Notes that the transaction was committed; without it, the numbers are looked up again.
    func noteCommit(_ db: Database) {
        dataVersion = Self.dataVersion(db)
        committedLast.store(last, ordering: .releasing)
    }

    /// The last number of the transactions that this connection has committed, on any thread.
    var committed: Int64 { committedLast.load(ordering: .acquiring) }

    /// Returns the highest number that the database knows.
    static func last(_ db: Database) throws -> Int64 {
        let row = try PreparedStatement(
            """
            SELECT max(
                purged,
                ifnull((SELECT max(sequence) FROM feedback), 0),
                ifnull((SELECT max(changed) FROM feedback WHERE changed IS NOT NULL), 0),
                ifnull((SELECT max(changed) FROM session WHERE changed IS NOT NULL), 0),
                ifnull((SELECT max(position) FROM cursor), 0)
            ) FROM change_log
            """,
            db
        )
        guard try row.step() else { throw CallError.missingLogRow }
        return row.integer(0)
    }

    /// The number that changes with every commit to the database, by whatever connection
    /// (sqlite.org/c3ref/c_fcntl_begin_atomic_write.html, SQLITE_FCNTL_DATA_VERSION).
    private static func dataVersion(_ db: Database) -> UInt32 {
        var version: UInt32 = 0
        sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_DATA_VERSION, &version)
        return version
    }
}

extension CallError {
    static let missingLogRow = CallError(.dataLoss, "the epoch of the change log is missing")
}
