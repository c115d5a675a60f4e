import FeedbackModel
import Foundation
import GRDB

/// What an error of SQLite, or anything else thrown on a connection, means to callers and to the
/// store.
struct SQLiteFailure {
    /// What the store was doing.
    enum Operation {
        case read
        case write
        case checkpoint
    }

    /// For the caller.
    let error: FeedbackError
    /// Whether the store has to refuse further writes.
    let stopsTheStore: Bool
    /// SQLite's extended result code; 0 if the error is not SQLite's.
    let code: CInt
    /// The system's error number, with errors of input and output.
    let systemErrno: CInt

    /// Maps an error that was thrown on the connection: the only place where that is done.
    init(_ thrown: any Error, during operation: Operation) {
        let step = thrown as? StatementError
        guard let error = step?.error ?? (thrown as? DatabaseError) else {
            self.error =
                (thrown as? FeedbackError)
                ?? FeedbackError(.internal, "the store failed", cause: thrown)
            self.stopsTheStore = false
            self.code = 0
            self.systemErrno = 0
            return
        }
        let primary = error.resultCode
        let code = error.extendedResultCode.rawValue
        let systemErrno = primary == .SQLITE_IOERR ? step?.systemErrno ?? 0 : 0
        let (answer, message, stops): (FeedbackError.Code, String, Bool) =
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
        self.error = FeedbackError(answer, message, cause: error.withoutStatement)
        self.stopsTheStore = stops
        self.code = code
        self.systemErrno = systemErrno
    }

    /// The answer to an attempt to open the file, naming it.
    static func opening(_ path: String, _ error: any Error) -> FeedbackError {
        if let error = error as? DatabaseError {
            let cause = error.withoutStatement
            let code = "SQLite's code \(error.extendedResultCode.rawValue)"
            switch error.resultCode {
            case .SQLITE_NOTADB:
                return FeedbackError(
                    .failedPrecondition,
                    "\(path): is not an SQLite database",
                    cause: cause
                )
            case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
                return FeedbackError(
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
        // What was to be synced may be gone, whatever the reason.
        case .SQLITE_IOERR_FSYNC, .SQLITE_IOERR_DIR_FSYNC: false
        // The shared memory file could not grow; SQLite keeps no errno for that.
        case .SQLITE_IOERR_SHMSIZE: true
        default: systemErrno == ENOSPC || systemErrno == EDQUOT
        }
    }
}

extension DatabaseError {
    /// The same without SQL and arguments, fit for a log.
    fileprivate var withoutStatement: DatabaseError {
        DatabaseError(resultCode: extendedResultCode, message: message)
    }
}
