internal import FeedbackModel
internal import GRDB
internal import GRDBSQLite
internal import Glibc

/// The files of an open database: by their paths one can see whether others removed or replaced
/// them, which the connections, with their open descriptors, do not notice.
struct DatabaseFiles: Sendable {
    /// A file that is no longer at its path.
    enum Displacement: Equatable {
        case removed(Part)
        /// Another file is at the path of one of the parts.
        case replaced(Part)

        /// The error of the writes that are refused.
        var error: CallError {
            switch self {
            case .removed(let part):
                CallError(.unavailable, "the database's \(part.rawValue) was removed")
            case .replaced(let part):
                CallError(.unavailable, "the database's \(part.rawValue) was replaced by another")
            }
        }

        /// True if the database is in its place and others use it with a log of their own.
        var isOfLogInUse: Bool { self == .replaced(.log) || self == .replaced(.sharedMemory) }
    }

    enum Part: String {
        case database = "file"
        case log
        /// The index of the log, which the processes that use the database share.
        case sharedMemory = "shared memory"
    }

    private struct Identity: Equatable {
        let device: dev_t
        let inode: ino_t
    }

    private struct File {
        let part: Part
        let path: String
        let identity: Identity
    }

    private let files: [File]

    /// Remembers the files of a connection that has read in WAL mode.
    ///
    /// - Throws: UNAVAILABLE if one of them is no longer there.
    init(_ db: Database, path: String) throws {
        // The path of the log is that of the file itself, not of a symbolic link.
        let real = String(cString: sqlite3_db_filename(db.sqliteConnection, "main"))
        let paths: [(Part, String)] = [
            (.database, path), (.log, real + "-wal"), (.sharedMemory, real + "-shm"),
        ]
        files = try paths.map { part, path in
            guard let (identity, _) = Self.look(at: path) else {
                throw Displacement.removed(part).error
            }
            return File(part: part, path: path, identity: identity)
        }
        var hasMoved: CInt = 0
        sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_HAS_MOVED, &hasMoved)
        if hasMoved != 0 { throw Displacement.replaced(.database).error }
    }

    /// Returns what has happened to the files; nil if they are in their places.
    ///
    /// A file that cannot be looked at counts as being there.
    func displacement() -> Displacement? {
        var removed: Part?
        for file in files {
            errno = 0
            if let (identity, _) = Self.look(at: file.path) {
                if identity != file.identity { return .replaced(file.part) }
            } else if [ENOENT, ENOTDIR, ESTALE].contains(errno) {
                removed = removed ?? file.part
            }
        }
        return removed.map(Displacement.removed)
    }

    /// The length of the log's file; 0 if it cannot be looked at.
    var logBytes: Int {
        files.first { $0.part == .log }.flatMap { Self.look(at: $0.path)?.bytes } ?? 0
    }

    /// Looks without opening: closing a descriptor would drop the process's locks on the file.
    private static func look(at path: String) -> (identity: Identity, bytes: Int)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return (Identity(device: status.st_dev, inode: status.st_ino), Int(status.st_size))
    }
}
