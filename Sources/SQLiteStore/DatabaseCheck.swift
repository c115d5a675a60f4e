internal import Dispatch
internal import GRDBSQLite
internal import Glibc
internal import Synchronization

/// Finds out whether a database is damaged, which SQLite also says of a whole one when a read from
/// the disk fails (EIO).
final class DatabaseCheck: Sendable {
    private struct Finding {
        let isDamaged: Bool
        let time: ContinuousClock.Instant
    }

    /// The time for which a finding counts: the check reads the whole database.
    private static let findingLifetime = Duration.seconds(60)

    private let path: String
    /// Those who ask during a check wait for it.
    private let queue = DispatchQueue(label: "feedbackd.sqlite.check")
    private let last = Mutex<Finding?>(nil)

    init(path: String) {
        self.path = path
    }

    /// Returns true if `PRAGMA quick_check` finds damage, and false if it finds none or cannot read
    /// the database.
    func isDamaged() -> Bool {
        queue.sync {
            if let last = last.withLock({ $0 }), .now - last.time < Self.findingLifetime {
                return last.isDamaged
            }
            let finding = Finding(isDamaged: Self.isDamaged(path), time: .now)
            last.withLock { $0 = finding }
            return finding.isDamaged
        }
    }

    /// Checks with SQLite's functions alone, so that nothing changes errno after a failed read.
    private static func isDamaged(_ path: String) -> Bool {
        var connection: OpaquePointer?
        defer { sqlite3_close_v2(connection) }
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(path, &connection, flags, nil) == SQLITE_OK else { return false }
        errno = 0
        var code = sqlite3_prepare_v2(connection, "PRAGMA quick_check(1)", -1, &statement, nil)
        if code == SQLITE_OK { code = sqlite3_step(statement) }
        if isFailedRead(errno) { return false }
        switch code & 0xFF {
        case SQLITE_ROW:
            guard let text = sqlite3_column_text(statement, 0) else { return false }
            return String(cString: text) != "ok"
        case SQLITE_CORRUPT, SQLITE_NOTADB: return true
        default: return false
        }
    }

    /// True if SQLite says of a read that failed with this number that the database is damaged.
    static func isFailedRead(_ systemErrno: CInt) -> Bool {
        [EIO, ENXIO, ERANGE].contains(systemErrno)
    }
}
