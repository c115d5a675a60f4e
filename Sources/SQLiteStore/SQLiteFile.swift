import FeedbackModel
import Foundation
import GRDB

/// The database file before it is opened for writing.
enum SQLiteFile {
    /// Makes an empty file if there is none, and looks at a file that is there.
    ///
    /// - Throws: if it is not this service's database, which then is as it was.
    static func prepare(_ path: String, busyTimeout: Duration) throws {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure(path, "cannot be looked at", errno) }
            return try create(path)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FeedbackError(.failedPrecondition, "\(path): is not a regular file")
        }
        // SQLite takes an empty file for a new database.
        if status.st_size > 0 { try inspect(path, busyTimeout) }
    }

    /// Nobody but the owner may ever read it; SQLite gives `-wal` and `-shm` the same mode.
    private static func create(_ path: String) throws {
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw FeedbackError(
                .failedPrecondition,
                "\(path): its directory cannot be made",
                cause: error
            )
        }
        // Closed before SQLite opens it: closing any descriptor of a file drops the process's locks.
        let descriptor = open(path, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return }
            throw failure(path, "cannot be made", errno)
        }
        Foundation.close(descriptor)
    }

    /// Looks at the database through SQLite, which locks it as it should, for reading only.
    private static func inspect(_ path: String, _ busyTimeout: Duration) throws {
        var configuration = Configuration()
        configuration.label = "feedbackd.sqlite.inspection"
        configuration.readonly = true
        configuration.busyMode = .timeout(busyTimeout / .seconds(1))
        do {
            try DatabaseQueue(path: path, configuration: configuration).inspect(path)
        } catch let error as DatabaseError where error.extendedResultCode == .hotJournal {
            // A program was interrupted while it wrote, as this one can be while it makes the
            // database. Only a connection that may write sees the file as it was before.
            configuration.readonly = false
            try DatabaseQueue(path: path, configuration: configuration).inspect(path)
        }
    }

    private static func failure(_ path: String, _ what: String, _ number: CInt) -> FeedbackError {
        FeedbackError(
            .failedPrecondition,
            "\(path): \(what)",
            cause: POSIXError(POSIXErrorCode(rawValue: number) ?? .EIO)
        )
    }
}

extension ResultCode {
    /// SQLITE_READONLY_ROLLBACK.
    fileprivate static let hotJournal = ResultCode.SQLITE_READONLY_ROLLBACK
}

extension DatabaseQueue {
    fileprivate func inspect(_ path: String) throws {
        try writeWithoutTransaction { try SQLiteSchema.checkIdentity($0, path) }
        try close()
    }
}
