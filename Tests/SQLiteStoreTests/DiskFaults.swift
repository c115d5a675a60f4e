import GRDBSQLite
import Glibc
import Synchronization

/// Makes the writes or syncs of a file fail, as a broken disk does.
struct DiskFault: Sendable {
    enum Call: Sendable, CaseIterable {
        case write
        case sync
    }

    /// The file whose calls fail, or the directory whose files' calls do.
    var path: String
    var call: Call
    /// Which call from now on fails first; 1 is the next.
    var first = 1
    /// Whether all later ones fail too.
    var lasts = true
    var error = EIO

    /// Runs the body while the fault is there, on files that are opened from now on.
    func inject<T>(_ body: () async throws -> T) async rethrows -> T {
        DiskFaults.state.withLock { $0.faults[path] = self }
        defer { DiskFaults.state.withLock { $0.faults[path] = nil } }
        return try await body()
    }
}

/// SQLite's own file system layer with its `xWrite` and `xSync` replaced.
///
/// Every file keeps working as it is; only the two methods ask for a fault first (sqlite.org, "The
/// SQLite OS Interface or VFS").
enum DiskFaults {
    fileprivate struct State {
        var faults: [String: DiskFault] = [:]
        /// By the address of the open file.
        var paths: [UInt: String] = [:]
        /// The address of SQLite's methods by the address of those that replace them, and back.
        var originals: [UInt: UInt] = [:]
        var replacements: [UInt: UInt] = [:]
    }

    fileprivate static let state = Mutex(State())

    /// Makes all databases that are opened from now on able to fail.
    static let isInstalled: Bool = {
        guard let original = sqlite3_vfs_find(nil) else { return false }
        // Both live as long as the process, as SQLite wants.
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        vfs.initialize(to: original.pointee)
        vfs.pointee.zName = UnsafePointer(strdup("feedbackd-test-faults"))
        vfs.pointee.xOpen = { vfs, name, file, flags, outFlags in
            guard let open = sqlite3_vfs_find("unix")?.pointee.xOpen else { return SQLITE_ERROR }
            let code = open(vfs, name, file, flags, outFlags)
            if code == SQLITE_OK, let name, let file {
                DiskFaults.watch(file, String(cString: name))
            }
            return code
        }
        return sqlite3_vfs_register(vfs, 1) == SQLITE_OK
    }()

    private static func watch(_ file: UnsafeMutablePointer<sqlite3_file>, _ path: String) {
        guard let methods = file.pointee.pMethods else { return }
        let original = UInt(bitPattern: methods)
        let replacement = state.withLock { state in
            state.paths[UInt(bitPattern: file)] = path
            if let known = state.replacements[original] { return known }
            let copy = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
            copy.initialize(to: methods.pointee)
            copy.pointee.xWrite = { file, bytes, count, offset in
                DiskFaults.code(.write, file)
                    ?? DiskFaults.original(file)?.xWrite(file, bytes, count, offset) ?? SQLITE_ERROR
            }
            copy.pointee.xSync = { file, flags in
                DiskFaults.code(.sync, file)
                    ?? DiskFaults.original(file)?.xSync(file, flags) ?? SQLITE_ERROR
            }
            let replacement = UInt(bitPattern: copy)
            state.originals[replacement] = original
            state.replacements[original] = replacement
            return replacement
        }
        file.pointee.pMethods = UnsafePointer(bitPattern: replacement)
    }

    private static func original(
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> sqlite3_io_methods? {
        guard let methods = file?.pointee.pMethods else { return nil }
        let original = state.withLock { $0.originals[UInt(bitPattern: methods)] }
        return original.flatMap { UnsafePointer<sqlite3_io_methods>(bitPattern: $0)?.pointee }
    }

    /// What the call has to return instead of being made; nil if it is to be made.
    private static func code(
        _ call: DiskFault.Call,
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> CInt? {
        let error = state.withLock { state -> CInt? in
            guard !state.faults.isEmpty, let path = state.paths[UInt(bitPattern: file)],
                var fault = state.faults.values.first(where: {
                    $0.call == call && (path == $0.path || path.hasPrefix($0.path + "/"))
                })
            else { return nil }
            fault.first -= 1
            state.faults[fault.path] = fault
            return fault.first == 0 || (fault.first < 0 && fault.lasts) ? fault.error : nil
        }
        guard let error else { return nil }
        errno = error
        // As SQLite's own layer answers.
        if call == .sync { return SQLITE_IOERR | (4 << 8) }
        return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR | (3 << 8)
    }
}
