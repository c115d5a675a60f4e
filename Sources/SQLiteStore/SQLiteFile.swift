import FeedbackModel
import Foundation
import GRDB

/// Checks and creates the database file before it is opened for writing.
enum SQLiteFile {
    /// Creates an empty file if there is none, and checks an existing one.
    ///
    /// - Returns: a lock that no other process has which opens a database of the same folder; until
    ///   it is freed, nobody else creates tables or changes the database's mode.
    /// - Throws: FAILED_PRECONDITION if it is not a database of this service; the file is then
    ///   unchanged.
    static func prepare(_ path: String, _ limits: SQLiteStoreLimits) throws -> FileLock {
        if try size(path) == nil { try create(path) }
        let folder = URL(fileURLWithPath: path).resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        let lock = try FileLock(folder: folder, timeout: limits.openTimeout)
        // SQLite treats an empty file as a new database.
        if let size = try size(path), size > 0 { try inspect(path, limits.busyTimeout) }
        return lock
    }

    /// Returns the size of a regular file; nil if there is none.
    private static func size(_ path: String) throws -> Int? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure(path, "cannot be looked at", errno) }
            return nil
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CallError(.failedPrecondition, "\(path): is not a regular file")
        }
        return Int(status.st_size)
    }

    /// Creates the file for its owner alone; SQLite gives `-wal` and `-shm` the same mode.
    private static func create(_ path: String) throws {
        try makeFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path, of: path)
        // The descriptor is closed before SQLite opens the file: closing any descriptor of a file
        // drops all of the process's locks on it.
        let descriptor = open(path, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return }
            throw failure(path, "cannot be made", errno)
        }
        Foundation.close(descriptor)
    }

    /// Makes the folder of the file, and those above it that are missing, for the owner alone.
    private static func makeFolder(_ folder: String, of path: String) throws {
        if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
        let above = URL(fileURLWithPath: folder).deletingLastPathComponent().path
        if errno == ENOENT, above != folder {
            try makeFolder(above, of: path)
            if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
        }
        throw failure(path, "the folder \(folder) cannot be made", errno)
    }

    /// Checks the database through a read-only connection of SQLite, which takes the needed locks.
    private static func inspect(_ path: String, _ busyTimeout: Duration) throws {
        var configuration = Configuration()
        configuration.label = "feedbackd.sqlite.inspection"
        configuration.readonly = true
        configuration.busyMode = .timeout(busyTimeout / .seconds(1))
        configuration.prepareDatabase { try LockErrors.report(on: $0) }
        do {
            try DatabaseQueue(path: path, configuration: configuration).inspect(path)
        } catch let error as DatabaseError where error.extendedResultCode == .hotJournal {
            // A program was interrupted while it wrote, perhaps this one while it created the
            // database. Only a connection that may write can restore the state before.
            configuration.readonly = false
            try DatabaseQueue(path: path, configuration: configuration).inspect(path)
        }
    }

    private static func failure(_ path: String, _ what: String, _ number: CInt) -> CallError {
        CallError(
            .failedPrecondition,
            "\(path): \(what): \(String(cString: strerror(number)))",
            cause: POSIXError(POSIXErrorCode(rawValue: number) ?? .EIO)
        )
    }
}

extension ResultCode {
    /// SQLITE_READONLY_ROLLBACK: the file has a hot journal, which a read-only connection cannot
    /// roll back.
    fileprivate static let hotJournal = ResultCode.SQLITE_READONLY_ROLLBACK
}

extension DatabaseQueue {
    fileprivate func inspect(_ path: String) throws {
        try writeWithoutTransaction { try SQLiteSchema.checkIdentity($0, path) }
        try close()
    }
}
