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
    let error: CallError
    /// True if the store has to refuse further writes.
    let stopsTheStore: Bool
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
        let systemErrno = primary == .SQLITE_IOERR ? step?.systemErrno ?? 0 : 0
        let (answer, message, stops): (CallError.Code, String, Bool) =
            switch primary {
            case .SQLITE_BUSY, .SQLITE_LOCKED:
                (.unavailable, "another process holds the database's lock", false)
            case .SQLITE_CANTOPEN:
                (.unavailable, "the database cannot be opened now", false)
            case .SQLITE_FULL:
                (.resourceExhausted, "the disk is full", false)
            case .SQLITE_IOERR where Self.isDiskFull(code, systemErrno):
                (.resourceExhausted, "the disk is full", false)
            case .SQLITE_IOERR:
                (.unavailable, "the disk failed (SQLite's code \(code))", operation != .read)
            case .SQLITE_CORRUPT, .SQLITE_NOTADB:
                (.dataLoss, "the database is damaged (SQLite's code \(code))", true)
            default:
                (.internal, "the store failed (SQLite's code \(code))", false)
            }
        self.error = CallError(answer, message, cause: error.withoutStatement)
        self.stopsTheStore = stops
        self.code = code
        self.systemErrno = systemErrno
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
            default: break
            }
        }
        var error = SQLiteFailure(error, during: .read).error
        if !error.message.hasPrefix(path) { error.message = "\(path): \(error.message)" }
        return error
    }

    private static func isDiskFull(_ code: CInt, _ systemErrno: CInt) -> Bool {
        switch ResultCode(rawValue: code) {
        // After a failed fsync the unsynced data may be lost, whatever the reason.
        case .SQLITE_IOERR_FSYNC, .SQLITE_IOERR_DIR_FSYNC: false
        // The shared memory file could not grow; SQLite keeps no errno for that.
        case .SQLITE_IOERR_SHMSIZE: true
        default: systemErrno == ENOSPC || systemErrno == EDQUOT
        }
    }
}

extension DatabaseError {
    /// The same error without SQL and arguments, which may be logged.
    fileprivate var withoutStatement: DatabaseError {
        DatabaseError(resultCode: extendedResultCode, message: message)
    }
}
