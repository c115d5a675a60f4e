public import FeedbackCore
public import FeedbackModel
public import Logging
internal import Synchronization

/// A store that keeps feedback in MongoDB, in the documents of the Python library feedback-system:
/// one for each session, with an array of its feedback.
///
/// A write is answered after a majority of the servers has journaled it. The adds that arrive
/// during a bulk write share the next one. Each add can be repeated safely, whatever its outcome
/// was: the same statement searches the session for its request_id. Lists and metrics are computed
/// by the servers from data that a majority has, and so include the feedback of other programs.
///
/// Several processes on several hosts may use the same collection.
///
///     let store = try MongoStore(uri: MongoURI("mongodb://db1,db2,db3/?replicaSet=rs0"))
///     let service = FeedbackService(store: store)
///
/// A list of one session is in the order of its array. A list of all sessions is in the order of
/// the identifiers, which ascend with time on each host; the order between hosts depends on their
/// clocks.
public final class MongoStore: Store {
    let tokens: PageTokenCodec
    let sessions: SessionCollection
    let writableSessions: SessionCollection
    let bulkBytesMax: Int
    private let writes: CommitQueue<MongoWrite, ChangeOutcome>
    let readers: WorkerPool
    let replicators: WorkerPool
    private let monitor: HealthMonitor
    /// The stream of changes that readers share; nil before the first one.
    let feed = Mutex<ChangeFeed?>(nil)

    /// Makes a store whose connections are opened when they are needed: MongoDB need not be
    /// reachable yet.
    ///
    /// - Parameters:
    ///   - uri: the deployment.
    ///   - database: the database; nil for the one that the URI names, or else `feedbackd`.
    ///   - collection: the collection; nil for `sessions`.
    ///   - limits: the limits of the queues and of concurrency.
    ///   - logger: receives a message when MongoDB stops answering and when it answers again.
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
        // The stream of changes needs a client beside those of the readers.
        let pool = try ClientPool(uri, clientsMax: limits.readersMax + 1)
        let writerPool = try ClientPool(
            uri,
            clientsMax: MongoStoreLimits.writerCount + MongoStoreLimits.replicationsMax,
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
        self.writableSessions = writableSessions
        self.readers = readers
        replicators = WorkerPool(
            label: "feedbackd.mongo.replicator",
            workersMax: MongoStoreLimits.replicationsMax,
            queueLengthMax: MongoStoreLimits.replicationsMax
        )
        tokens = PageTokenCodec(name)
        let bulkBytesMax = min(limits.bulkBytesMax, MongoStoreLimits.statementBytesMax)
        self.bulkBytesMax = bulkBytesMax
        writes = CommitQueue(
            label: "feedbackd.mongo.writer",
            limits: limits.writes,
            writerCount: MongoStoreLimits.writerCount,
            ordering: MongoWrite.ordering,
            repetitionTimeout: MongoStoreLimits.repetitionTimeout
        ) {
            MongoWrite.commit($0, to: writableSessions, bulkBytesMax: bulkBytesMax)
        }
        monitor = HealthMonitor(monitorPool, database: name.database, logger: logger) {
            Task {
                await Indexes.make(in: sessions, on: readers, logger: logger)
            }
        }
    }

    /// See ``Store``.
    public func commit(
        _ change: AcceptedChange,
        context: CallContext
    ) async throws -> ChangeOutcome {
        try await writes.submit(MongoWrite(change), context: context)
    }

    /// Returns true if a majority of the servers has the feedback, or is bound to have it: what the
    /// primary alone has is waited for.
    ///
    /// A primary that has been replaced without knowing it yet does not answer (readConcern
    /// "linearizable" in MongoDB's manual); a server that is in no replica set has no other state
    /// than its own.
    ///
    /// - Throws: DEADLINE_EXCEEDED or UNAVAILABLE if that cannot be known now.
    public func isStored(_ feedback: Feedback, context: CallContext) async throws -> Bool {
        guard let id = feedback.id else { return false }
        let pipeline: [BSON] = [
            [
                "$match": [
                    "_id": .string(feedback.sessionID),
                    "feedbacks.feedback_id": .string(id.description),
                ]
            ], ["$project": ["_id": 1]],
        ]
        return try await read(context) { sessions in
            let isReplicated = try sessions.collection.writesToReplicaSet
            let level: BSON = isReplicated ? "linearizable" : "majority"
            var isFound = false
            let options: BSONDocument = [
                "readConcern": ["level": level], "maxTimeMS": .int64(sessions.timeMilliseconds),
            ]
            try sessions.collection.aggregate(pipeline, options: options, onPrimary: true) { _, _ in
                isFound = true
                return false
            }
            return isFound
        }
    }

    /// See ``Store``.
    public func health() async -> StoreHealth { monitor.health }

    /// See ``Store``.
    public func close() async {
        monitor.close()
        await feed.withLock { $0 }?.close()
        await writes.close()
        await replicators.close()
        await readers.close()
    }

    /// Runs the body on a worker, with a connection of its own.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once if too many reads wait; DEADLINE_EXCEEDED or CANCELLED
    ///   if the call ended before its turn; UNAVAILABLE if no server could be found since the call
    ///   arrived; the errors of the body.
    func read<T: Sendable>(
        _ context: CallContext,
        _ body: @escaping @Sendable (ReadableSessions) throws -> T
    ) async throws -> T {
        let arrivedAt = ContinuousClock.now
        return try await readers.run(context) { [sessions] in
            if let refusal = sessions.refusal(arrivedAt: arrivedAt, for: .reading) { throw refusal }
            do {
                return try sessions.use(for: .reading) { collection in
                    try body(ReadableSessions(collection, sessions, context))
                }
            } catch let failure as MongoFailure {
                throw failure.error
            }
        }
    }
}

/// The sessions, for one read, on its thread.
struct ReadableSessions {
    let collection: MongoCollection
    let name: CollectionName
    private let deadline: ContinuousClock.Instant?
    /// The time limit for one read on the server.
    private let timeMax: Duration

    init(_ collection: MongoCollection, _ sessions: SessionCollection, _ context: CallContext) {
        self.collection = collection
        name = sessions.name
        deadline = context.deadline
        timeMax = sessions.pool.serverTimeMax
    }

    /// Calls the body with each document that the pipeline returns, and its size in bytes, until
    /// the body returns false.
    ///
    /// The read uses the URI's read preference and, unless the URI sets another read concern, data
    /// that a majority has. The server works on it no longer than the caller waits. With a moment,
    /// the read sees all that was written up to it, and only what a majority has.
    func aggregate(
        _ pipeline: [BSON],
        notBefore moment: ClusterTime? = nil,
        _ body: (BSONDocument, Int) throws -> Bool
    ) throws {
        var options: BSONDocument = ["maxTimeMS": .int64(timeMilliseconds), "allowDiskUse": true]
        options["readConcern"] = moment.map {
            ["level": "majority", "afterClusterTime": .timestamp($0)]
        }
        try collection.aggregate(pipeline, options: options, body)
    }

    /// The time that the server may work on the read.
    fileprivate var timeMilliseconds: Int64 {
        let rest = deadline.map { max(.milliseconds(1), $0 - .now) } ?? .seconds(3_600)
        return Int64(min(rest, timeMax) / .milliseconds(1))
    }
}

extension PageTokenCodec {
    /// Makes a codec whose key is derived from the collection's name: tokens contain no secret, and
    /// every host must accept those of the others.
    fileprivate init(_ name: CollectionName) {
        let text = "\(name.database).\(name.collection)"
        var key = [UInt8](repeating: 0, count: Self.keyBytes)
        for (index, byte) in text.utf8.enumerated() {
            key[index % key.count] = key[index % key.count] &* 31 &+ byte
        }
        self.init(key: key)
    }
}
