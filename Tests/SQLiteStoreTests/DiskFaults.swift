import GRDBSQLite
import Glibc
import Synchronization

/// A fault of writes or syncs of a file, as of a broken disk.
struct DiskFault: Sendable {
    enum Call: Sendable, CaseIterable {
        case write
        case sync
    }

    /// The file whose calls fail, or the directory of such files.
    var path: String
    var call: Call
    /// The number of the first call that fails; 1 is the next.
    var first = 1
    /// True if all later calls fail, too.
    var lasts = true
    var error = EIO

    /// Runs the body with the fault, which applies to files that are opened from now on.
    func inject<T>(_ body: () async throws -> T) async rethrows -> T {
        DiskFaults.state.withLock { $0.faults[path] = self }
        defer { DiskFaults.state.withLock { $0.faults[path] = nil } }
        return try await body()
    }
}

/// SQLite's own file system layer with `xWrite` and `xSync` replaced.
///
/// Files work as usual, except that the two methods check for a fault first (sqlite.org, "The
/// SQLite OS Interface or VFS").
enum DiskFaults {
    fileprivate struct State {
        var faults: [String: DiskFault] = [:]
        /// The paths of open files, by the address of the file object.
        var paths: [UInt: String] = [:]
        /// The addresses of SQLite's methods by those of their replacements, and the reverse.
        var originals: [UInt: UInt] = [:]
        var replacements: [UInt: UInt] = [:]
    }

    fileprivate static let state = Mutex(State())

    /// True after the layer has been installed; databases that are opened from then on can have
    /// faults.
    static let isInstalled: Bool = {
        guard let original = sqlite3_vfs_find(nil) else { return false }
        // Both live as long as the process, as SQLite requires.
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

    /// Returns the code with which the call fails; nil if the call is to be made.
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
        // The codes are those of SQLite's own layer.
        if call == .sync { return SQLITE_IOERR | (4 << 8) }
        return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR | (3 << 8)
    }
}
