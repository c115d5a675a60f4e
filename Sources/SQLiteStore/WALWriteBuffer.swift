import FeedbackModel
import GRDB
import GRDBSQLite

/// A buffer for a connection's writes to the write-ahead log, so that a transaction costs one
/// write.
///
/// SQLite writes each page of a transaction and its header separately, and then syncs: the fourteen
/// writes for the seven pages of an add take half as long as the sync. The buffer holds them until
/// the file is synced, read, truncated or measured. It is only correct for a connection with
/// `synchronous=FULL`, which syncs the log in every commit before other connections look there.
///
/// The connection's file object gets methods of its own (sqlite.org/c3ref/io_methods.html), which
/// forward to the original ones.
struct WALWriteBuffer: @unchecked Sendable {
    // Unchecked Sendable: the memory behind `state` is used on the connection's queue only.

    /// The capacity in bytes: on Unix, SQLite takes 17 bits for the length of a write.
    private static let capacity = 0x1FFFF

    /// The memory that the file's `pMethods` points to; the file object itself has no room for it.
    private struct State {
        /// The methods must be the first field, since `pMethods` points to them.
        var methods: sqlite3_io_methods
        let former: UnsafePointer<sqlite3_io_methods>
        let bytes: UnsafeMutableRawPointer
        /// The offset in the file at which the bytes belong.
        var offset: sqlite3_int64 = 0
        var count = 0
    }

    private let state: UnsafeMutablePointer<State>

    /// Replaces the methods of the connection's log file until the connection is closed.
    ///
    /// - Throws: INTERNAL if the connection has no log; it has one after its first read in WAL
    ///   mode.
    init(_ db: Database) throws {
        var file: UnsafeMutablePointer<sqlite3_file>?
        sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file)
        guard let file, let former = file.pointee.pMethods else {
            throw CallError(.internal, "SQLite's connection has no log")
        }
        state = .allocate(capacity: 1)
        state.initialize(
            to: State(
                methods: Self.methods(former.pointee),
                former: former,
                bytes: .allocate(byteCount: Self.capacity, alignment: 16)
            )
        )
        file.pointee.pMethods = UnsafeRawPointer(state)
            .assumingMemoryBound(to: sqlite3_io_methods.self)
    }

    /// Discards the buffer.
    ///
    /// This must be called after a rollback on this connection, before anything else on it: after
    /// the rollback, other processes may write at the same offsets.
    func discard() { state.pointee.count = 0 }

    private typealias File = UnsafeMutablePointer<sqlite3_file>

    private static func methods(_ former: sqlite3_io_methods) -> sqlite3_io_methods {
        var methods = former
        methods.xWrite = { file, bytes, count, offset in
            guard let file, let bytes else { return SQLITE_MISUSE }
            return WALWriteBuffer.write(file, bytes, count, offset)
        }
        methods.xSync = { file, flags in
            WALWriteBuffer.flushed(file) { $0.xSync(file, flags) }
        }
        methods.xRead = { file, bytes, count, offset in
            WALWriteBuffer.flushed(file) { $0.xRead(file, bytes, count, offset) }
        }
        methods.xTruncate = { file, size in
            WALWriteBuffer.flushed(file) { $0.xTruncate(file, size) }
        }
        methods.xFileSize = { file, size in
            WALWriteBuffer.flushed(file) { $0.xFileSize(file, size) }
        }
        methods.xClose = { file in
            guard let file else { return SQLITE_MISUSE }
            let state = WALWriteBuffer.state(of: file)
            file.pointee.pMethods = state.pointee.former
            state.pointee.bytes.deallocate()
            state.deallocate()
            return file.pointee.pMethods.pointee.xClose(file)
        }
        return methods
    }

    private static func state(of file: File) -> UnsafeMutablePointer<State> {
        UnsafeMutableRawPointer(mutating: file.pointee.pMethods)
            .assumingMemoryBound(to: State.self)
    }

    /// Calls the original methods with `pMethods` restored, since they may read it.
    private static func formerly(_ file: File, _ body: (sqlite3_io_methods) -> CInt) -> CInt {
        let methods = file.pointee.pMethods
        let former = state(of: file).pointee.former
        file.pointee.pMethods = former
        defer { file.pointee.pMethods = methods }
        return body(former.pointee)
    }

    private static func write(
        _ file: File,
        _ bytes: UnsafeRawPointer,
        _ count: CInt,
        _ offset: sqlite3_int64
    ) -> CInt {
        let state = state(of: file)
        let end = state.pointee.offset + sqlite3_int64(state.pointee.count)
        if offset != end || state.pointee.count + Int(count) > capacity {
            let code = flush(file)
            if code != SQLITE_OK { return code }
            state.pointee.offset = offset
        }
        precondition(Int(count) <= capacity, "no page is so long")
        state.pointee.bytes.advanced(by: state.pointee.count)
            .copyMemory(from: bytes, byteCount: Int(count))
        state.pointee.count += Int(count)
        return SQLITE_OK
    }

    /// Writes the buffer, and empties it even if that fails, since the transaction fails with it.
    private static func flush(_ file: File) -> CInt {
        let state = state(of: file)
        let count = state.pointee.count
        if count == 0 { return SQLITE_OK }
        state.pointee.count = 0
        let (bytes, offset) = (state.pointee.bytes, state.pointee.offset)
        return formerly(file) { $0.xWrite(file, bytes, CInt(count), offset) }
    }

    private static func flushed(_ file: File?, _ body: (sqlite3_io_methods) -> CInt) -> CInt {
        guard let file else { return SQLITE_MISUSE }
        let code = flush(file)
        return code == SQLITE_OK ? formerly(file, body) : code
    }
}
