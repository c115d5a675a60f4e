internal import CoreMetrics
internal import FeedbackCore
internal import FeedbackModel
internal import GRDB
internal import GRDBSQLite
internal import Glibc
internal import Logging
internal import Synchronization

/// What is done once a second, whether there are calls or not.
extension SQLiteDatabase {
    /// Stops the store if its files are no longer in their places, and looks after the log's length.
    func lookAtFiles() {
        if stopIfDisplaced() { return }
        let bytes = files.logBytes
        logBytes.set(Double(bytes))
        guard bytes >= limits.walBytesBeforeWarning else {
            if longLogWarnings.reset() {
                logger.notice("the write-ahead log is short again", metadata: ["bytes": "\(bytes)"])
            }
            return
        }
        if longLogWarnings.isDue() {
            logger.warning(
                """
                the write-ahead log has \(bytes >> 20) MiB: it is not cut back while a read that \
                began long ago, perhaps of another process, goes on
                """,
                metadata: ["path": "\(path)"]
            )
        }
        // One attempt at a time, however long the writer is busy.
        if !isCuttingBack.exchange(true, ordering: .acquiringAndReleasing) {
            pool.asyncWriteWithoutTransaction { [self] db in
                cutBack(db)
                isCuttingBack.store(false, ordering: .releasing)
            }
        }
    }

    /// Stops the store if one of its files was removed or replaced; returns true if so.
    func stopIfDisplaced() -> Bool {
        let acknowledged = acknowledgedCount.load(ordering: .sequentiallyConsistent)
        guard let displacement = files.displacement() else {
            lastSeenCount.store(acknowledged, ordering: .relaxed)
            return false
        }
        stop(
            displacement.error,
            because: displacement,
            metadata: ["acknowledged_since_last_seen": "\(unseenCount)"]
        )
        return true
    }

    /// The number of changes that were acknowledged since the files were last seen in their places.
    private var unseenCount: Int {
        acknowledgedCount.load(ordering: .sequentiallyConsistent)
            - lastSeenCount.load(ordering: .relaxed)
    }

    /// Truncates the log if no read needs it; nobody is waited for.
    private func cutBack(_ db: Database) {
        guard health == .serving, checkpoint(db) else { return }
        sqlite3_busy_timeout(db.sqliteConnection, 0)
        defer { sqlite3_busy_timeout(db.sqliteConnection, limits.busyMilliseconds) }
        do {
            _ = try Self.copyLog(db, SQLITE_CHECKPOINT_TRUNCATE)
        } catch {
            noted(SQLiteFailure(error, during: .checkpoint))
        }
    }

    /// Copies the log into the database as far as readers allow (a passive checkpoint); returns true
    /// if all of it is there.
    ///
    /// SQLite's automatic checkpoint ignores errors, but a failed fsync must not be ignored.
    @discardableResult
    func checkpoint(_ db: Database) -> Bool {
        walLength.releaseCheckpoint()
        if stopIfDisplaced() { return false }
        do {
            return try Self.copyLog(db, SQLITE_CHECKPOINT_PASSIVE)
        } catch {
            noted(SQLiteFailure(error, during: .checkpoint))
            return false
        }
    }

    /// Makes a checkpoint; returns true if the database has all of the log.
    static func copyLog(_ db: Database, _ mode: CInt) throws -> Bool {
        var length: CInt = 0
        var copied: CInt = 0
        errno = 0
        let code = sqlite3_wal_checkpoint_v2(db.sqliteConnection, nil, mode, &length, &copied)
        let systemErrno = errno
        guard code == SQLITE_OK else {
            let error = DatabaseError(resultCode: ResultCode(rawValue: code))
            throw StatementError(error: error, systemErrno: systemErrno)
        }
        return length == copied
    }

    /// Copies the log into the database and closes the connections, after the status says so.
    ///
    /// - Parameter former: the status before.
    func closeConnections(after former: Status) {
        let displacement = files.displacement()
        do {
            switch former {
            case .serving, .stopped(_, _?):
                if displacement?.isOfLogInUse != true { copyLogBeforeClosing(former) }
            // After a failure, only a new start can tell what is on the disk.
            case .stopped, .closed: break
            }
            if case .replaced = displacement {
                // SQLite would remove the log of the database that is there now. The connections stay
                // open until the process ends.
                _ = Unmanaged.passRetained(pool)
            } else {
                try pool.close()
            }
        } catch {
            let code = SQLiteFailure(error, during: .read).code
            logger.error("closing the database failed", metadata: ["sqlite_code": "\(code)"])
        }
    }

    /// Copies the log into the database, so that the file alone is a complete copy of the data,
    /// wherever it is now, and nothing is left which a database in its place could take for its log.
    ///
    /// A failure loses nothing if the log is in its place, since the next start reads it.
    private func copyLogBeforeClosing(_ former: Status) {
        let isCopied = try? pool.barrierWriteWithoutTransaction {
            try Self.copyLog($0, SQLITE_CHECKPOINT_TRUNCATE)
        }
        guard case .stopped(_, .removed(let part)?) = former, part != .database else { return }
        if isCopied == true {
            logger.notice("nothing is lost: the database has all that its log held")
        } else {
            logger.error("the database lacks what its log held", metadata: ["path": "\(path)"])
        }
    }
}
