import FeedbackModel
import Foundation
import GRDB

/// The meaning of an error that was thrown on a connection, for callers and for the store.
struct SQLiteFailure {
    /// The operation that failed.
    enum Operation {
        case read
        case write
        case checkpoint
    }

    /// The error for the caller.
    private(set) var error: CallError
    /// True if the store has to refuse further writes.
    private(set) var stopsTheStore: Bool
    /// True if the database may be damaged, or a read from the disk has failed: SQLite does not
    /// tell them apart, a ``DatabaseCheck`` does.
    private(set) var mayBeDamage = false
    /// SQLite's extended result code; 0 if the error is not SQLite's.
    let code: CInt
    /// The system's error number of an I/O error; 0 for other errors.
    let systemErrno: CInt

    /// Maps an error that was thrown on the connection; no other place maps SQLite's errors.
    init(_ thrown: any Error, during operation: Operation) {
        let step = thrown as? StatementError
        guard let error = step?.error ?? (thrown as? DatabaseError) else {
            self.error =
                (thrown as? CallError)
                ?? CallError(.internal, "the store failed", cause: thrown)
            self.stopsTheStore = false
            self.code = 0
            self.systemErrno = 0
            return
        }
        let primary = error.resultCode
        let code = error.extendedResultCode.rawValue
        let isOfDisk = primary == .SQLITE_IOERR || primary == .SQLITE_CORRUPT
        let systemErrno = isOfDisk ? step?.systemErrno ?? 0 : 0
        let (answer, message, stops): (CallError.Code, String, Bool) =
            switch primary {
            case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL:
                (.unavailable, "another process holds the database's lock", false)
            case .SQLITE_CANTOPEN:
                (.unavailable, "the database cannot be opened now", false)
            case .SQLITE_FULL:
                (.resourceExhausted, "the disk is full", false)
            case .SQLITE_IOERR where Self.isDiskFull(code, systemErrno):
                (.resourceExhausted, "the disk is full", false)
            case .SQLITE_IOERR where systemErrno == EFBIG && !Self.isSync(code):
                (.resourceExhausted, "the limit on file sizes (ulimit -f) is reached", false)
            case .SQLITE_IOERR where Self.isLock(code):
                (.unavailable, "the system cannot lock the database", false)
            case .SQLITE_IOERR where Self.isRead(code):
                (.unavailable, Self.diskFailed(code), false)
            case .SQLITE_IOERR:
                (.unavailable, Self.diskFailed(code), operation != .read)
            case .SQLITE_CORRUPT where DatabaseCheck.isFailedRead(systemErrno):
                (.unavailable, Self.diskFailed(code), false)
            case .SQLITE_CORRUPT, .SQLITE_NOTADB:
                (.dataLoss, "the database is damaged (SQLite's code \(code))", true)
            default:
                (.internal, "the store failed (SQLite's code \(code))", false)
            }
        self.error = CallError(answer, message, cause: error.withoutStatement)
        self.stopsTheStore = stops
        self.code = code
        self.systemErrno = systemErrno
        // No failed read looks like an index without its entries.
        self.mayBeDamage = answer == .dataLoss && error.extendedResultCode != .SQLITE_CORRUPT_INDEX
    }

    /// True if the read may succeed on another connection.
    var isOfRead: Bool { mayBeDamage || (error.code == .unavailable && Self.isRead(code)) }

    /// Returns this failure, or that of a read if the check finds no damage.
    func judged(by check: DatabaseCheck) -> SQLiteFailure {
        guard mayBeDamage, !check.isDamaged() else { return self }
        var failure = self
        failure.error = CallError(.unavailable, Self.diskFailed(code), cause: error.cause)
        failure.stopsTheStore = false
        failure.mayBeDamage = false
        return failure
    }

    /// Returns the error for a failed attempt to open the file, with the path in its message.
    static func opening(_ path: String, _ error: any Error) -> CallError {
        if let error = error as? DatabaseError {
            let cause = error.withoutStatement
            let code = "SQLite's code \(error.extendedResultCode.rawValue)"
            switch error.resultCode {
            case .SQLITE_NOTADB:
                return CallError(
                    .failedPrecondition,
                    "\(path): is not an SQLite database",
                    cause: cause
                )
            case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
                return CallError(
                    .failedPrecondition,
                    "\(path): cannot be opened for reading and writing (\(code))",
                    cause: cause
                )
            case .SQLITE_IOERR, .SQLITE_FULL:
                if let reason = fileSizeReason(error.extendedResultCode) {
                    return CallError(.resourceExhausted, "\(path): \(reason)", cause: cause)
                }
            default: break
            }
        }
        let failure = SQLiteFailure(error, during: .read)
        var error = failure.judged(by: DatabaseCheck(path: path)).error
        if !error.message.hasPrefix(path) { error.message = "\(path): \(error.message)" }
        return error
    }

    /// Returns the reason for which a file could not grow, if the process has a limit.
    private static func fileSizeReason(_ code: ResultCode) -> String? {
        var limit = rlimit()
        guard [.SQLITE_IOERR_WRITE, .SQLITE_IOERR_SHMSIZE, .SQLITE_FULL].contains(code),
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0,
            limit.rlim_cur != rlim_t.max
        else { return nil }
        return "no room: the limit on file sizes (ulimit -f) is \(limit.rlim_cur) bytes"
    }

    private static func isDiskFull(_ code: CInt, _ systemErrno: CInt) -> Bool {
        // The shared memory file could not grow; SQLite keeps no errno for that.
        if ResultCode(rawValue: code) == .SQLITE_IOERR_SHMSIZE { return true }
        return !isSync(code) && (systemErrno == ENOSPC || systemErrno == EDQUOT)
    }

    /// True for syncs: after a failed one the unsynced data may be lost, whatever the reason.
    private static func isSync(_ code: CInt) -> Bool {
        [.SQLITE_IOERR_FSYNC, .SQLITE_IOERR_DIR_FSYNC].contains(ResultCode(rawValue: code))
    }

    private static func isLock(_ code: CInt) -> Bool {
        [
            .SQLITE_IOERR_LOCK, .SQLITE_IOERR_RDLOCK, .SQLITE_IOERR_CHECKRESERVEDLOCK,
            .SQLITE_IOERR_SHMLOCK,
        ].contains(ResultCode(rawValue: code))
    }

    /// True for reads, after whose failure nothing has changed.
    private static func isRead(_ code: CInt) -> Bool {
        [.SQLITE_CORRUPT, .SQLITE_IOERR_READ, .SQLITE_IOERR_SHORT_READ, .SQLITE_IOERR_CORRUPTFS]
            .contains(ResultCode(rawValue: code))
    }

    private static func diskFailed(_ code: CInt) -> String {
        "the disk failed (SQLite's code \(code))"
    }
}

extension DatabaseError {
    /// The same error without SQL and arguments, which may be logged.
    fileprivate var withoutStatement: DatabaseError {
        DatabaseError(resultCode: extendedResultCode, message: message)
    }
}
