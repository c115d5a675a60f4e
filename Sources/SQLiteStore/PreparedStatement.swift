import FeedbackModel
import GRDB
import GRDBSQLite
import Glibc

/// A prepared statement from the connection's cache, which can be run once, or again after each
/// ``reset()``.
///
/// Values are bound in the order of the statement's parameters. On a connection, only one object
/// with the same SQL may exist at a time.
struct PreparedStatement: ~Copyable {
    private let db: Database
    private let statement: Statement
    private var boundCount: CInt = 0

    init(_ sql: String, _ db: Database) throws {
        self.db = db
        self.statement = try db.cachedStatement(sql: sql)
    }

    deinit { Self.end(statement) }

    /// Ends the run, so that the statement can be run again.
    mutating func reset() {
        Self.end(statement)
        boundCount = 0
    }

    private static func end(_ statement: Statement) {
        sqlite3_reset(statement.sqliteStatement)
        // The copies of the bound values are freed.
        sqlite3_clear_bindings(statement.sqliteStatement)
    }

    // MARK: Parameters

    mutating func bind(_ value: Int64?) throws {
        boundCount += 1
        try check(
            value.map { sqlite3_bind_int64(statement.sqliteStatement, boundCount, $0) }
                ?? sqlite3_bind_null(statement.sqliteStatement, boundCount)
        )
    }

    /// Binds a text, or NULL for nil.
    mutating func bind(_ text: String?) throws {
        guard var text else { return try bind(nil as Int64?) }
        boundCount += 1
        try check(
            text.withUTF8 { utf8 in
                // An empty buffer may have no address, which SQLite would take for NULL.
                guard let base = utf8.baseAddress else {
                    return sqlite3_bind_text(statement.sqliteStatement, boundCount, "", 0, copied)
                }
                return base.withMemoryRebound(to: CChar.self, capacity: utf8.count) {
                    sqlite3_bind_text(
                        statement.sqliteStatement,
                        boundCount,
                        $0,
                        CInt(utf8.count),
                        copied
                    )
                }
            }
        )
    }

    /// Binds the 16 bytes of the identifier, or NULL for nil.
    mutating func bind(_ id: FeedbackID?) throws {
        guard let id else { return try bind(nil as Int64?) }
        boundCount += 1
        try check(
            withUnsafeBytes(of: (id.high.bigEndian, id.low.bigEndian)) {
                sqlite3_bind_blob(
                    statement.sqliteStatement,
                    boundCount,
                    $0.baseAddress,
                    CInt($0.count),
                    copied
                )
            }
        )
    }

    // MARK: Execution

    /// Advances to the next row; returns false at the end.
    func step() throws -> Bool {
        errno = 0
        let code = sqlite3_step(statement.sqliteStatement)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        // sqlite3_system_errno is not set if a COMMIT fails, and is never cleared.
        let systemErrno = errno
        throw StatementError(error: failure(code), systemErrno: systemErrno)
    }

    /// Runs a statement without result rows to its end.
    mutating func run() throws {
        defer { reset() }
        while try step() {}
    }

    /// Runs a statement without parameters and result rows.
    static func run(_ sql: String, _ db: Database) throws {
        var statement = try PreparedStatement(sql, db)
        try statement.run()
    }

    // MARK: Columns of the row

    func isNull(_ column: CInt) -> Bool {
        sqlite3_column_type(statement.sqliteStatement, column) == SQLITE_NULL
    }

    /// Returns an integer column; 0 for NULL.
    func integer(_ column: CInt) -> Int64 {
        sqlite3_column_int64(statement.sqliteStatement, column)
    }

    /// Returns a text column; empty for NULL.
    func text(_ column: CInt) -> String {
        guard let bytes = sqlite3_column_text(statement.sqliteStatement, column) else { return "" }
        let count = Int(sqlite3_column_bytes(statement.sqliteStatement, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    /// Returns an identifier column; nil for NULL and for any value that has not 16 bytes.
    func feedbackID(_ column: CInt) -> FeedbackID? {
        guard let bytes = sqlite3_column_blob(statement.sqliteStatement, column),
            sqlite3_column_bytes(statement.sqliteStatement, column) == 16
        else { return nil }
        return FeedbackID(
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }

    private func check(_ code: CInt) throws {
        if code != SQLITE_OK { throw failure(code) }
    }

    private func failure(_ code: CInt) -> DatabaseError {
        let extended = ResultCode(rawValue: code)
        guard let message = sqlite3_errmsg(db.sqliteConnection) else {
            return DatabaseError(resultCode: extended)
        }
        return DatabaseError(resultCode: extended, message: String(cString: message))
    }
}

/// The failure of a step, with the value of errno after it.
struct StatementError: Error {
    let error: DatabaseError
    let systemErrno: CInt
}

/// SQLITE_TRANSIENT: SQLite copies the bytes before the call returns.
private nonisolated(unsafe) let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
