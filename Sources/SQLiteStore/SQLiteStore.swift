public import FeedbackCore
public import FeedbackModel
public import Logging

/// A store that keeps feedback in one SQLite file.
///
/// A write is answered after the commit of its transaction has been fsynced (WAL with
/// `synchronous=FULL`). The writes that arrive during one commit share the next (group commit).
/// Lists and metrics read a snapshot on connections of their own and never wait for a writer; their
/// counts come from counters that are kept in the same transactions as the feedback, for each
/// session and each hour.
///
/// Several processes may use the same file; each sees what the others have committed.
///
///     let store = try SQLiteStore(path: "/var/lib/feedbackd/feedback.db")
///     let service = FeedbackService(store: store)
///
/// After a write has failed for another reason than a full disk, or if the file is damaged, the
/// store refuses all writes and ``health()`` reports it: after a failed fsync, it cannot be known
/// whether the data is on the disk. Only a restart, which reads the file again, helps.
public final class SQLiteStore: CursorKeepingStore {
    let database: SQLiteDatabase
    let tokens: PageTokenCodec
    let writes: StoreWrites
    /// See ``CursorKeepingStore``.
    package let cursors: any CursorStore

    /// Opens the file, or creates it (mode 0600, its directory 0700) if it is missing or empty.
    ///
    /// A file that is not a database of this service, or of a newer version, is refused and left
    /// unchanged.
    ///
    /// - Parameters:
    ///   - path: the path of the file; `-wal` and `-shm` are created beside it.
    ///   - limits: the timeouts and the limits of queues.
    ///   - logger: receives a message when the store stops serving.
    ///   - onStop: called once when the store has stopped for good, with the error that its callers
    ///     get.
    /// - Throws: a ``CallError`` with the path in its message.
    public init(
        path: String,
        limits: SQLiteStoreLimits = SQLiteStoreLimits(),
        logger: Logger = Logger(label: "feedbackd.sqlite"),
        onStop: @escaping @Sendable (CallError) -> Void = { _ in }
    ) throws {
        let database = try SQLiteDatabase(
            path: path,
            limits: limits,
            logger: logger,
            onStop: onStop
        )
        self.database = database
        self.tokens = PageTokenCodec(key: database.pageTokenKey)
        self.writes = CommitQueue(label: "feedbackd.sqlite.writer", limits: limits.writes) {
            WriteTransaction.commit($0, to: database)
        }
        self.cursors = SQLiteCursors(database: database, writes: writes)
    }

    /// See ``Store``.
    public func commit(
        _ change: AcceptedChange,
        context: CallContext
    ) async throws -> ChangeOutcome {
        guard
            case .changed(let outcome) = try await writes.submit(.change(change), context: context)
        else { preconditionFailure("a change has the outcome of a change") }
        return outcome
    }

    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        let json = try await database.read(context) { try SessionTable.metadata(sessionID, $0) }
        return try json.map(MetadataJSON.decode)
    }

    /// See ``Store``.
    public func health() async -> StoreHealth { database.health }

    /// See ``Store``.
    public func close() async {
        await writes.close()
        await database.close()
    }
}
