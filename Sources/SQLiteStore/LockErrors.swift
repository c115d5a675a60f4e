internal import FeedbackModel
internal import GRDB
internal import GRDBSQLite
internal import Glibc

/// Locks that the system cannot give (ENOLCK), as errors of a connection.
///
/// SQLite takes every failure of fcntl(2) for a lock that another process holds, and tries again for
/// up to ten seconds. With this, only what another process holds is waited for: everything else is
/// SQLITE_IOERR_LOCK at once.
///
/// The connection's file object gets methods of its own (sqlite.org/c3ref/io_methods.html), which
/// forward to the original ones.
enum LockErrors {
    /// The memory that the file's `pMethods` points to; the file object itself has no room for it.
    private struct State {
        /// The methods must be the first field, since `pMethods` points to them.
        var methods: sqlite3_io_methods
        let former: UnsafePointer<sqlite3_io_methods>
    }

    private typealias File = UnsafeMutablePointer<sqlite3_file>

    /// Replaces the methods of the connection's database file until the connection is closed.
    ///
    /// - Throws: INTERNAL if the connection has no file.
    static func report(on db: Database) throws {
        var file: File?
        sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_FILE_POINTER, &file)
        guard let file, let former = file.pointee.pMethods else {
            throw CallError(.internal, "SQLite's connection has no file")
        }
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(methods: methods(former.pointee), former: former))
        file.pointee.pMethods = UnsafeRawPointer(state)
            .assumingMemoryBound(to: sqlite3_io_methods.self)
    }

    private static func methods(_ former: sqlite3_io_methods) -> sqlite3_io_methods {
        var methods = former
        methods.xLock = { file, level in LockErrors.locked(file) { $0.xLock(file, level) } }
        methods.xShmLock = { file, offset, count, flags in
            LockErrors.locked(file) { $0.xShmLock(file, offset, count, flags) }
        }
        methods.xClose = { file in
            guard let file else { return SQLITE_MISUSE }
            let state = LockErrors.state(of: file)
            file.pointee.pMethods = state.pointee.former
            state.deallocate()
            return file.pointee.pMethods.pointee.xClose(file)
        }
        return methods
    }

    private static func state(of file: File) -> UnsafeMutablePointer<State> {
        UnsafeMutableRawPointer(mutating: file.pointee.pMethods)
            .assumingMemoryBound(to: State.self)
    }

    /// Calls the original method, and returns SQLITE_IOERR_LOCK if the system refused the lock for
    /// another reason than that it is held.
    private static func locked(_ file: File?, _ lock: (sqlite3_io_methods) -> CInt) -> CInt {
        guard let file else { return SQLITE_MISUSE }
        let methods = file.pointee.pMethods
        let former = state(of: file).pointee.former
        // The original methods may read `pMethods`.
        file.pointee.pMethods = former
        defer { file.pointee.pMethods = methods }
        // The error of a write is still wanted when its locks have been released.
        let before = errno
        errno = 0
        let code = lock(former.pointee)
        let systemErrno = errno
        if systemErrno == 0 { errno = before }
        guard code & 0xFF == SQLITE_BUSY else { return code }
        return switch systemErrno {
        // A lock that a connection of this process holds needs no system call.
        case 0, EAGAIN, EACCES, EBUSY, EINTR, ETIMEDOUT: code
        default: ResultCode.SQLITE_IOERR_LOCK.rawValue
        }
    }
}
