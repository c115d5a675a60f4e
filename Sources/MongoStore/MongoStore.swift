public import FeedbackCore
public import FeedbackModel
public import Logging

/// Keeps feedback in MongoDB, in the documents of the guide's Python package: one per session, with
/// an array of its feedback.
///
/// An append is answered after a majority of the servers has it in their journals. The appends that
/// arrive while a bulk write is under way share the next. Each can be repeated safely, whatever
/// became of it: the session is searched for its request_id in the same statement. Lists and metrics
/// are made by the servers, of what the majority has, and so also of what other programs wrote.
///
/// Several processes on several hosts may use the same collection.
///
///     let store = try MongoStore(uri: MongoURI("mongodb://db1,db2,db3/?replicaSet=rs0"))
///     let service = FeedbackService(store: store)
///
/// A list of one session is in the order of its array. A list of every session is in the order of
/// the identifiers, which ascend with time on each host; between hosts their clocks decide.
public final class MongoStore: Store {
    let tokens: PageTokenCodec
    private let sessions: SessionCollection
    private let appends: AppendQueue
    let readers: WorkerPool
    private let monitor: HealthMonitor

    /// Prepares the connections, which are made when they are needed: MongoDB need not be there yet.
    ///
    /// - Parameters:
    ///   - uri: the deployment.
    ///   - database: nil for the one that the URI names, or else `feedbackd`.
    ///   - collection: nil for `sessions`.
    ///   - limits: how much to take in and how much to do at once.
    ///   - logger: is told when MongoDB goes and comes.
    /// - Throws: INVALID_ARGUMENT for names that MongoDB refuses and for options of the URI that
    ///   exclude each other.
    public init(
        uri: MongoURI,
        database: String? = nil,
        collection: String? = nil,
        limits: MongoStoreLimits = MongoStoreLimits(),
        logger: Logger = Logger(label: "feedbackd.mongo")
    ) throws {
        let name = try CollectionName(
            database: database ?? uri.database ?? "feedbackd",
            collection: collection ?? "sessions"
        )
        let pool = try ClientPool(uri, clientsMax: limits.readersMax)
        let writerPool = try ClientPool(
            uri,
            clientsMax: MongoStoreLimits.writerCount,
            retriesWrites: false
        )
        let monitorPool = try ClientPool(
            uri,
            clientsMax: 1,
            timeoutMax: MongoStoreLimits.pingTimeout
        )
        let sessions = SessionCollection(pool: pool, name: name)
        let writableSessions = SessionCollection(pool: writerPool, name: name)
        let readers = WorkerPool(
            label: "feedbackd.mongo.reader",
            workersMax: limits.readersMax,
            queueLengthMax: limits.readQueueLengthMax
        )
        self.sessions = sessions
        self.readers = readers
        tokens = PageTokenCodec(name)
        let bulkBytesMax = min(limits.bulkBytesMax, MongoStoreLimits.statementBytesMax)
        appends = AppendQueue(
            label: "feedbackd.mongo.writer",
            writerCount: MongoStoreLimits.writerCount,
            limits: limits.writes
        ) {
            AppendBatch.commit($0, to: writableSessions, bulkBytesMax: bulkBytesMax)
        }
        monitor = HealthMonitor(monitorPool, database: name.database, logger: logger) {
            Task {
                await Indexes.make(in: sessions, on: readers, logger: logger)
            }
        }
    }

    /// See ``Store``.
    public func append(
        _ feedback: Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback {
        let append = Append(
            feedback: feedback,
            missingSession: missingSession,
            context: context,
            arrivedAt: .now
        )
        var giveUpAt: ContinuousClock.Instant?
        while true {
            do {
                return try await appends.submit(append)
            } catch let undecided as UndecidedAppend {
                let end = giveUpAt ?? .now + MongoStoreLimits.repetitionTimeout
                giveUpAt = end
                if .now > end || context.reasonToDrop != nil || Task.isCancelled {
                    throw undecided.error
                }
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// See ``Store``.
    public func health() async -> StoreHealth { monitor.health }

    /// See ``Store``.
    public func close() async {
        monitor.close()
        await appends.close()
        await readers.close()
    }

    /// Runs the body on a worker, with a connection of its own.
    func read<T: Sendable>(
        _ context: CallContext,
        for purpose: SessionCollection.Purpose = .reading,
        _ body: @escaping @Sendable (ReadableSessions) throws -> T
    ) async throws -> T {
        let arrivedAt = ContinuousClock.now
        return try await readers.run(context) { [sessions] in
            if let refusal = sessions.refusal(arrivedAt: arrivedAt, for: purpose) { throw refusal }
            do {
                return try sessions.use(for: purpose) { collection in
                    try body(ReadableSessions(collection, sessions, context))
                }
            } catch let failure as MongoFailure {
                throw failure.error
            }
        }
    }
}

/// The sessions, for one call that reads or changes metadata, on its thread.
struct ReadableSessions {
    let collection: Collection
    let name: CollectionName
    private let deadline: ContinuousClock.Instant?
    /// How long the server may work on one read.
    private let timeMax: Duration

    init(_ collection: Collection, _ sessions: SessionCollection, _ context: CallContext) {
        self.collection = collection
        name = sessions.name
        deadline = context.deadline
        timeMax = sessions.pool.serverTimeMax
    }

    /// Calls the body for each document that comes out of the pipeline, with its size in bytes,
    /// until it returns false.
    ///
    /// It reads what the URI prefers and a majority has, or, on the primary, also what is not
    /// durable yet. The server works on it no longer than the call waits.
    func aggregate(
        _ pipeline: [BSON],
        onPrimary: Bool = false,
        _ body: (BSONDocument, Int) throws -> Bool
    ) throws {
        let rest = deadline.map { max(.milliseconds(1), $0 - .now) } ?? .seconds(3_600)
        let time = min(rest, timeMax)
        var options: BSONDocument = [
            "maxTimeMS": .int64(Int64(time / .milliseconds(1))), "allowDiskUse": true,
        ]
        if onPrimary { options["readConcern"] = ["level": "local"] }
        try collection.aggregate(pipeline, options: options, onPrimary: onPrimary, body)
    }
}

extension PageTokenCodec {
    /// Tokens have no secret to keep; all hosts have to understand those of one another.
    fileprivate init(_ name: CollectionName) {
        let text = "\(name.database).\(name.collection)"
        var key = [UInt8](repeating: 0, count: Self.keyBytes)
        for (index, byte) in text.utf8.enumerated() {
            key[index % key.count] = key[index % key.count] &* 31 &+ byte
        }
        self.init(key: key)
    }
}
