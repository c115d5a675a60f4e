public import FeedbackCore
public import FeedbackModel
public import Logging

/// Keeps feedback in one SQLite file.
///
/// An append is answered after the commit of its transaction has been fsynced (WAL with
/// `synchronous=FULL`). The appends that arrive during one commit share the next. Lists and metrics
/// read a snapshot on connections of their own and never wait for a writer; their counts come from
/// counters that are kept in the same transactions as the feedback, per session and per hour.
///
/// Several processes may use the same file. What one of them has committed, all see.
///
///     let store = try SQLiteStore(path: "/var/lib/feedbackd/feedback.db")
///     let service = FeedbackService(store: store)
///
/// Once the disk has failed a write other than by being full, or the file is damaged, the store
/// refuses every write and ``health()`` says so: whether data that was written after a failed fsync
/// is on the disk, nobody can know. Only a new start, which reads what is there, helps.
public final class SQLiteStore: AlertingStore {
    let database: SQLiteDatabase
    let tokens: PageTokenCodec
    private let writes: StoreWrites
    /// The queues of alerts.
    let alerts: SQLiteOutbox

    /// Opens the file, or makes it (mode 0600, its directory 0700) when it is missing or empty.
    ///
    /// A file that is no database of this service, or of a newer version, is refused without being
    /// changed.
    ///
    /// - Parameters:
    ///   - path: where the file is; `-wal` and `-shm` are put beside it.
    ///   - limits: how long to wait and how much to take in.
    ///   - logger: is told when the store stops serving.
    ///   - onStop: called once, when the store has stopped for good, with what its callers are told.
    /// - Throws: a ``FeedbackError`` with the path in its message.
    public init(
        path: String,
        limits: SQLiteStoreLimits = SQLiteStoreLimits(),
        logger: Logger = Logger(label: "feedbackd.sqlite"),
        onStop: @escaping @Sendable (FeedbackError) -> Void = { _ in }
    ) throws {
        let database = try SQLiteDatabase(
            path: path,
            limits: limits,
            logger: logger,
            onStop: onStop
        )
        self.database = database
        self.tokens = PageTokenCodec(key: database.pageTokenKey)
        self.writes = GroupCommit(label: "feedbackd.sqlite.writer", limits: limits.writes) {
            WriteTransaction.commit($0, to: database)
        }
        self.alerts = SQLiteOutbox(database: database, writes: writes)
    }

    /// See ``AlertingStore``.
    public var outbox: any AlertOutbox { alerts }

    /// See ``AlertingStore``.
    public func append(
        _ feedback: Feedback,
        alerting rules: [AlertRule],
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback {
        let write = StoreWrite.append(feedback, rules, missingSession)
        guard case .added(let added) = try await writes.submit(write, context: context) else {
            preconditionFailure("an append has the outcome of an append")
        }
        return added
    }

    /// See ``Store``.
    public func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> Metadata {
        let write = StoreWrite.changeMetadata(sessionID, change, missingSession)
        guard case .metadata(let metadata) = try await writes.submit(write, context: context) else {
            preconditionFailure("a change has the outcome of a change")
        }
        return metadata
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
