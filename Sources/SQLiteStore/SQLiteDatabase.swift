import CoreMetrics
import Dispatch
import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import GRDBSQLite
import Logging
import Synchronization

/// The connections to one database file: a writer, which also makes the checkpoints, and several
/// readers.
final class SQLiteDatabase: Sendable {
    enum Status {
        case serving
        /// Writes are refused with this error; reads are still attempted. The displacement of a file
        /// may be the reason.
        case stopped(CallError, DatabaseFiles.Displacement?)
        case closed
    }

    let pageTokenKey: [UInt8]
    /// The epoch of the change log's numbers.
    let epoch: LogEpoch
    let numbers = ChangeNumbers()
    /// Is signalled after each commit.
    let logGrowth = LogGrowth()
    let path: String
    let pool: DatabasePool
    let limits: SQLiteStoreLimits
    let files: DatabaseFiles
    private let check: DatabaseCheck
    private let walWrites: WALWriteBuffer
    let walLength: WALLength
    private let reads: ReadQueue
    let logBytes = Meter(label: CoreInstrument.sqliteLogBytes.rawValue)
    let longLogWarnings = WarningInterval()
    let isCuttingBack = Atomic(false)
    private let failedReadWarnings = WarningInterval()
    /// The number of changes that were acknowledged, and what it was when the files were last seen in
    /// their places.
    let acknowledgedCount = Atomic(0)
    let lastSeenCount = Atomic(0)
    let logger: Logger
    private let onStop: @Sendable (CallError) -> Void
    private let status = Mutex(Status.serving)
    /// Closing blocks until running reads have ended, so that it happens on a queue of its own.
    private let closingQueue = DispatchQueue(label: "feedbackd.sqlite.close")
    /// Looks at the files, on a queue of its own, which may block.
    private nonisolated(unsafe) let timer: any DispatchSourceTimer  // In init, close, deinit only.
    private static let timerInterval = DispatchTimeInterval.seconds(1)

    /// Opens the database, creating and migrating it as needed.
    ///
    /// - Throws: a ``CallError`` with the path in its message.
    init(
        path: String,
        limits: SQLiteStoreLimits,
        logger: Logger,
        onStop: @escaping @Sendable (CallError) -> Void
    ) throws {
        let path = URL(fileURLWithPath: path).path
        self.path = path
        self.logger = logger
        self.onStop = onStop
        self.limits = limits
        self.check = DatabaseCheck(path: path)
        reads = ReadQueue(readersMax: limits.readersMax, lengthMax: limits.readQueueLengthMax)
        do {
            let lock = try SQLiteFile.prepare(path, limits)
            let pool = try DatabasePool(path: path, configuration: .connections(limits))
            try SQLiteSchema.migrate(pool)
            (self.walLength, self.pageTokenKey, self.epoch, self.walWrites, self.files) =
                try pool.writeWithoutTransaction { db in
                    try Self.setUpWriter(db)
                    return (
                        try WALLength(db), try SQLiteSchema.pageTokenKey(db),
                        try ChangeLogTable.epoch(db, of: FileIdentity(db)),
                        try WALWriteBuffer(db), try DatabaseFiles(db, path: path)
                    )
                }
            try pool.openReaders(limits.readersMax)
            self.pool = pool
            withExtendedLifetime(lock) {}
        } catch {
            throw SQLiteFailure.opening(path, error)
        }
        timer = DispatchSource.makeTimerSource(
            queue: DispatchQueue(label: "feedbackd.sqlite.files")
        )
        timer.setEventHandler { [weak self] in self?.lookAtFiles() }
        timer.schedule(deadline: .now() + Self.timerInterval, repeating: Self.timerInterval)
        timer.activate()
    }

    deinit { timer.cancel() }

    var health: StoreHealth {
        status.withLock { status in
            switch status {
            case .serving: .serving
            case .stopped(let error, _): .notServing(error.message)
            case .closed: .notServing("the store is closed")
            }
        }
    }

    /// Runs the body on a reader's queue, in a transaction that sees a snapshot.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once if too many reads wait; DEADLINE_EXCEEDED or CANCELLED
    ///   if the call ended before its turn; UNAVAILABLE if the store is closed.
    func read<T: Sendable>(
        _ context: CallContext = CallContext(),
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        if case .closed = status.withLock({ $0 }) { throw CallError.storeIsClosed }
        return try await reads.run(context) { [self] end in
            pool.asyncRead { [self] connection in
                end(
                    Result { () throws -> T in
                        do {
                            return try body(connection.get())
                        } catch {
                            let failure = SQLiteFailure(error, during: .read)
                            return try readAgain(after: failure, body)
                        }
                    }
                )
            }
        }
    }

    /// Runs the body on a connection of its own if a read from the disk may have failed before.
    private func readAgain<T>(
        after failure: SQLiteFailure,
        _ body: (Database) throws -> T
    ) throws(CallError) -> T {
        guard failure.isOfRead else { throw noted(failure) }
        if failedReadWarnings.isDue() {
            logger.warning("a read failed and is repeated", metadata: metadata(of: failure))
        }
        do {
            var configuration = Configuration.connections(limits)
            configuration.readonly = true
            return try DatabaseQueue(path: path, configuration: configuration).read(body)
        } catch {
            throw noted(SQLiteFailure(error, during: .read).judged(by: check))
        }
    }

    /// Runs the body in a transaction on the writer and commits it, all on the caller's thread.
    ///
    /// When this method returns, the transaction is on the disk. When it throws, nothing has
    /// changed, as far as the disk can still be trusted. The transaction counts as `count` changes.
    func write<T>(of count: Int = 1, _ body: (Database) throws -> T) throws(CallError) -> T {
        let result: Result<T, CallError> = pool.writeWithoutTransaction { db in
            // The status is checked on the writer's queue, since a checkpoint before this write may
            // have failed.
            if let refusal { return .failure(refusal) }
            do {
                try PreparedStatement.run("BEGIN IMMEDIATE", db)
                try numbers.begin(db)
                let value = try body(db)
                try PreparedStatement.run("COMMIT", db)
                numbers.noteCommit(db)
                acknowledgedCount.add(count, ordering: .sequentiallyConsistent)
                // The files may have been found missing meanwhile.
                if let refusal { return .failure(refusal) }
                return .success(value)
            } catch {
                // SQLite may have rolled back already.
                if db.isInsideTransaction { try? PreparedStatement.run("ROLLBACK", db) }
                walWrites.discard()
                return .failure(noted(SQLiteFailure(error, during: .write).judged(by: check)))
            }
        }
        // The checkpoint runs on the writer's queue after this transaction: the callers of this
        // batch do not wait for it, a batch that comes meanwhile does.
        if walLength.claimCheckpoint(from: limits.walBytesBeforeCheckpoint) {
            pool.asyncWriteWithoutTransaction { [self] db in checkpoint(db) }
        }
        logGrowth.signal()
        return try result.get()
    }

    /// Waits for running reads and closes the connections.
    ///
    /// No write may be in progress.
    func close() async {
        await withUnsafeContinuation { continuation in
            closingQueue.async { [self] in
                closeConnections()
                continuation.resume()
            }
        }
    }

    /// The error with which writes are refused; nil if they are accepted.
    private var refusal: CallError? {
        switch status.withLock({ $0 }) {
        case .serving: nil
        case .stopped(let error, _): error
        case .closed: .storeIsClosed
        }
    }

    private func closeConnections() {
        timer.cancel()
        // What has happened since the last look is told, too.
        if case .serving = status.withLock({ $0 }) { _ = stopIfDisplaced() }
        let former = status.withLock { status in
            defer { status = .closed }
            return status
        }
        if case .closed = former { return }
        closeConnections(after: former)
    }

    /// Returns the failure's error, after stopping the store if the failure requires it.
    @discardableResult
    func noted(_ failure: SQLiteFailure) -> CallError {
        if case .closed = status.withLock({ $0 }) { return .storeIsClosed }
        if failure.stopsTheStore { stop(failure.error, metadata: metadata(of: failure)) }
        return failure.error
    }

    /// Stops the store for good unless it has stopped.
    func stop(
        _ error: CallError,
        because displacement: DatabaseFiles.Displacement? = nil,
        metadata: @autoclosure () -> Logger.Metadata
    ) {
        let isNew = status.withLock { status in
            guard case .serving = status else { return false }
            status = .stopped(error, displacement)
            return true
        }
        guard isNew else { return }
        logger.error(
            "the store stops serving: \(error.message)",
            metadata: metadata().merging(["path": "\(path)"]) { _, path in path }
        )
        onStop(error)
    }

    private func metadata(of failure: SQLiteFailure) -> Logger.Metadata {
        ["path": "\(path)", "sqlite_code": "\(failure.code)", "errno": "\(failure.systemErrno)"]
    }

    private static func setUpWriter(_ db: Database) throws {
        // DatabasePool has set NORMAL, which would lose the last commits in a power failure.
        try db.execute(sql: "PRAGMA synchronous = FULL")
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2,
            try String.fetchOne(db, sql: "PRAGMA journal_mode") == "wal"
        else {
            throw CallError(.internal, "SQLite does not keep the log that durability needs")
        }
    }
}

extension Configuration {
    fileprivate static func connections(_ limits: SQLiteStoreLimits) -> Configuration {
        var configuration = Configuration()
        configuration.label = "feedbackd.sqlite"
        configuration.busyMode = .timeout(limits.busyTimeout / .seconds(1))
        configuration.maximumReaderCount = limits.readersMax
        // There are no foreign keys: session 0 of the counter tables stands for all sessions.
        configuration.foreignKeysEnabled = false
        let busyMilliseconds = limits.busyMilliseconds
        configuration.prepareDatabase { db in
            try LockErrors.report(on: db)
            // DatabasePool gives readers ten seconds.
            try db.execute(sql: "PRAGMA busy_timeout = \(busyMilliseconds)")
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
            // The page size applies to a file that is created now; an existing one keeps its own.
            try db.execute(sql: "PRAGMA page_size = \(SQLiteSchema.pageBytes)")
        }
        return configuration
    }
}

extension SQLiteStoreLimits {
    var busyMilliseconds: CInt { CInt(clamping: Int64(busyTimeout / .milliseconds(1))) }
}

/// The length of the write-ahead log, as SQLite reports it after each commit.
final class WALLength: Sendable {
    private let bytes = Atomic(0)
    private let bytesPerPage: Int
    private let checkpointIsDue = Atomic(false)

    /// Installs a WAL hook on the connection, which replaces SQLite's automatic checkpoint.
    init(_ db: Database) throws {
        bytesPerPage = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0
        // Unretained: the hook ends with the connection, which the owner of both closes before it
        // frees this object.
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            db.sqliteConnection,
            { context, _, _, pages in
                guard let context else { return SQLITE_OK }
                let length = Unmanaged<WALLength>.fromOpaque(context).takeUnretainedValue()
                length.bytes.store(Int(pages) * length.bytesPerPage, ordering: .relaxed)
                return SQLITE_OK
            },
            context
        )
    }

    /// Returns true if the log is at least `limit` bytes long and the caller must start a
    /// checkpoint; false if another caller has done so.
    func claimCheckpoint(from limit: Int) -> Bool {
        bytes.load(ordering: .relaxed) >= limit
            && !checkpointIsDue.exchange(true, ordering: .acquiringAndReleasing)
    }

    func releaseCheckpoint() {
        // The next commit reports the length after the checkpoint.
        bytes.store(0, ordering: .relaxed)
        checkpointIsDue.store(false, ordering: .releasing)
    }
}

extension CallError {
    static let storeIsClosed = CallError(.unavailable, "the store is closed")
}
