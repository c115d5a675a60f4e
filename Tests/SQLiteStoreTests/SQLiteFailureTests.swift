import FeedbackModel
import GRDB
import Glibc
import Testing

@testable import SQLiteStore

struct SQLiteFailureTests {
    @Test(
        arguments: [
            (.SQLITE_BUSY, 0, .unavailable, false), (.SQLITE_LOCKED, 0, .unavailable, false),
            (.SQLITE_BUSY_SNAPSHOT, 0, .unavailable, false),
            (.SQLITE_CANTOPEN, 0, .unavailable, false),
            (.SQLITE_FULL, 0, .resourceExhausted, false),
            (.SQLITE_IOERR_WRITE, ENOSPC, .resourceExhausted, false),
            (.SQLITE_IOERR_WRITE, EDQUOT, .resourceExhausted, false),
            (.SQLITE_IOERR_SHMSIZE, 0, .resourceExhausted, false),
            (.SQLITE_IOERR_WRITE, EIO, .unavailable, true), (.SQLITE_IOERR, 0, .unavailable, true),
            (.SQLITE_IOERR_FSYNC, EIO, .unavailable, true),
            (.SQLITE_IOERR_FSYNC, ENOSPC, .unavailable, true),
            (.SQLITE_IOERR_DIR_FSYNC, EDQUOT, .unavailable, true),
            (.SQLITE_IOERR_WRITE, EFBIG, .resourceExhausted, false),
            (.SQLITE_IOERR_FSYNC, EFBIG, .unavailable, true),
            (.SQLITE_IOERR_READ, EIO, .unavailable, false),
            (.SQLITE_IOERR_LOCK, ENOLCK, .unavailable, false),
            (.SQLITE_PROTOCOL, 0, .unavailable, false), (.SQLITE_CORRUPT, EIO, .unavailable, false),
            (.SQLITE_CORRUPT, 0, .dataLoss, true), (.SQLITE_CORRUPT_INDEX, 0, .dataLoss, true),
            (.SQLITE_NOTADB, 0, .dataLoss, true), (.SQLITE_ERROR, 0, .internal, false),
            (.SQLITE_CONSTRAINT_UNIQUE, 0, .internal, false), (.SQLITE_NOMEM, 0, .internal, false),
        ] as [(ResultCode, CInt, CallError.Code, Bool)]
    )
    func of_a_write_has_its_code_and_stops_the_store_or_not(
        _ code: ResultCode,
        _ systemErrno: CInt,
        _ expected: CallError.Code,
        _ stops: Bool
    ) {
        let error = DatabaseError(resultCode: code, message: "m", sql: "SELECT 'secret'")
        let thrown = StatementError(error: error, systemErrno: systemErrno)
        let failure = SQLiteFailure(thrown, during: .write)
        #expect(failure.error.code == expected)
        #expect(failure.stopsTheStore == stops)
        #expect(failure.code == code.rawValue)
        let texts = [failure.error.description, "\(String(describing: failure.error.cause))"]
        #expect(!texts.contains { $0.contains("secret") })
    }

    @Test func of_a_read_from_the_disk_stops_nothing() {
        let error = DatabaseError(resultCode: .SQLITE_IOERR_READ)
        let failure = SQLiteFailure(error, during: .read)
        #expect(failure.error.code == .unavailable)
        #expect(!failure.stopsTheStore)
    }

    @Test func of_another_kind_is_passed_on_or_INTERNAL() {
        struct Odd: Error {}
        let refusal = CallError(.notFound, "no")
        #expect(SQLiteFailure(refusal, during: .write).error.code == .notFound)
        #expect(SQLiteFailure(Odd(), during: .write).error.code == .internal)
    }
}
