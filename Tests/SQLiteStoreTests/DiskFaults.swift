import GRDBSQLite
import Glibc
import Synchronization

/// A fault of reads, writes or syncs of a file, as of a broken disk.
struct DiskFault: Sendable {
    enum Call: Sendable, CaseIterable {
        case read
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

    /// The number of calls that have failed by faults of this path.
    var failureCount: Int { DiskFaults.state.withLock { $0.failureCounts[path] ?? 0 } }
}

/// SQLite's own file system layer with `xRead`, `xWrite` and `xSync` replaced.
///
/// Files work as usual, except that these methods check for a fault first (sqlite.org, "The SQLite
/// OS Interface or VFS").
enum DiskFaults {
    fileprivate struct State {
        var faults: [String: DiskFault] = [:]
        /// The number of calls that have failed, by the paths of the faults.
        var failureCounts: [String: Int] = [:]
        /// The paths of open files and the addresses of SQLite's methods for them, by the address of
        /// the file object.
        var files: [UInt: (path: String, methods: UInt)] = [:]
        /// The addresses of the replacements by those of SQLite's methods.
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
            state.files[UInt(bitPattern: file)] = (path, original)
            if let known = state.replacements[original] { return known }
            let copy = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
            copy.initialize(to: methods.pointee)
            copy.pointee.xRead = { file, bytes, count, offset in
                DiskFaults.code(.read, file)
                    ?? DiskFaults.original(file)?.xRead(file, bytes, count, offset) ?? SQLITE_ERROR
            }
            copy.pointee.xWrite = { file, bytes, count, offset in
                DiskFaults.code(.write, file)
                    ?? DiskFaults.original(file)?.xWrite(file, bytes, count, offset) ?? SQLITE_ERROR
            }
            copy.pointee.xSync = { file, flags in
                DiskFaults.code(.sync, file)
                    ?? DiskFaults.original(file)?.xSync(file, flags) ?? SQLITE_ERROR
            }
            let replacement = UInt(bitPattern: copy)
            state.replacements[original] = replacement
            return replacement
        }
        file.pointee.pMethods = UnsafePointer(bitPattern: replacement)
    }

    private static func original(
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> sqlite3_io_methods? {
        let methods = state.withLock { $0.files[UInt(bitPattern: file)]?.methods }
        return methods.flatMap { UnsafePointer<sqlite3_io_methods>(bitPattern: $0)?.pointee }
    }

    /// Returns the code with which the call fails; nil if the call is to be made.
    private static func code(
        _ call: DiskFault.Call,
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> CInt? {
        let error = state.withLock { state -> CInt? in
            guard !state.faults.isEmpty, let path = state.files[UInt(bitPattern: file)]?.path,
                var fault = state.faults.values.first(where: {
                    $0.call == call && (path == $0.path || path.hasPrefix($0.path + "/"))
                })
            else { return nil }
            fault.first -= 1
            state.faults[fault.path] = fault
            guard fault.first == 0 || (fault.first < 0 && fault.lasts) else { return nil }
            state.failureCounts[fault.path, default: 0] += 1
            return fault.error
        }
        guard let error else { return nil }
        errno = error
        // The codes are those of SQLite's own layer.
        return switch call {
        case .read: SQLITE_IOERR | (error == EIO ? 33 << 8 : 1 << 8)
        case .sync: SQLITE_IOERR | (4 << 8)
        case .write: error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR | (3 << 8)
        }
    }
}
