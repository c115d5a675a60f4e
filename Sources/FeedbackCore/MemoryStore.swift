public import FeedbackModel
internal import Synchronization

/// A store that keeps feedback in memory, for tests and benchmarks: nothing survives the process.
///
/// Lists and metrics examine every feedback, so that they are evidently right.
public final class MemoryStore: CursorKeepingStore {
    /// The positions of a session's requests; used only under the lock of the state, never through
    /// copies of the state.
    private final class Session {
        /// The positions in `feedbacks`, by the hash of the request_id or the next free number
        /// (linear probing).
        private var places: [Int: Int] = [:]

        /// Returns the position in the log of the request's feedback; a new request is given the
        /// log's next position.
        func place(of request: RequestID, in log: borrowing Log) -> Int {
            var number = request.hash
            while let place = places[number] {
                if log.isAt(place, request) { return place }
                number &+= 1
            }
            places[number] = log.count
            return log.count
        }
    }

    /// A request_id with its hash, which is computed before the lock is taken.
    private struct RequestID {
        let text: ExactText
        let hash: Int

        init(_ text: String) {
            self.text = ExactText(text)
            hash = self.text.hashValue
        }
    }

    /// A list that grows without moving its elements.
    private struct Log {
        private static let chunkLength = 256
        private var chunks: [[Feedback]] = []

        private(set) var count = 0

        subscript(place: Int) -> Feedback {
            chunks[place / Self.chunkLength][place % Self.chunkLength]
        }

        func isAt(_ place: Int, _ request: RequestID) -> Bool {
            ExactText(self[place].draft.requestID) == request.text
        }

        mutating func append(_ feedback: Feedback) {
            if count == chunks.count * Self.chunkLength {
                chunks.append([])
                chunks[chunks.count - 1].reserveCapacity(Self.chunkLength)
            }
            chunks[chunks.count - 1].append(feedback)
            count += 1
        }

        /// All elements, in order.
        var all: [Feedback] { Array(chunks.joined()) }
    }

    private struct State {
        var feedbacks = Log()
        var sessions: [ExactText: Session] = [:]
        /// The metadata of the sessions that have any.
        var metadata: [ExactText: Metadata] = [:]
        var isClosed = false

        func checkOpen() throws {
            if isClosed { throw CallError(.unavailable, "the store is closed") }
        }

        mutating func session(
            _ id: ExactText,
            ifMissing policy: MissingSessionPolicy
        ) throws -> Session {
            if let session = sessions[id] { return session }
            guard policy == .create else { throw CallError.unknownSession }
            let session = Session()
            sessions[id] = session
            return session
        }
    }

    private let state = Mutex(State())
    private let tokens = PageTokenCodec(key: PageTokenCodec.makeKey())
    private let epoch = LogEpoch.random()
    private let logGrowth = LogGrowth()
    private let cursorTable = MemoryCursors.Table()
    /// See ``CursorKeepingStore``.
    package var cursors: any CursorStore {
        MemoryCursors(table: cursorTable, epoch: epoch, growth: logGrowth) { [self] in
            try snapshot(CallContext()).feedbacks.all
        }
    }

    /// Makes an empty store.
    public init() {}

    /// See ``Store``.
    public func commit(
        _ change: AcceptedChange,
        context: CallContext
    ) async throws -> ChangeOutcome {
        if let reason = context.dropError { throw reason }
        switch change.change {
        case .add(let draft):
            let feedback = Feedback(
                id: change.feedbackID,
                draft: draft,
                createdAt: change.acceptedAt
            )
            let added = try add(feedback, change.missingSession)
            return .added(added)
        case .changeMetadata(let sessionID, let by):
            return .metadata(try changeMetadata(sessionID, by, change.missingSession))
        }
    }

    private func add(
        _ feedback: Feedback,
        _ missingSession: MissingSessionPolicy
    ) throws -> AddedFeedback {
        let sessionID = ExactText(feedback.draft.sessionID)
        let requestID = RequestID(feedback.draft.requestID)
        let original = try state.withLock { state throws -> Feedback? in
            try state.checkOpen()
            let session = try state.session(sessionID, ifMissing: missingSession)
            if !requestID.text.text.isEmpty {
                let place = session.place(of: requestID, in: state.feedbacks)
                if place < state.feedbacks.count { return state.feedbacks[place] }
            }
            state.feedbacks.append(feedback)
            return nil
        }
        if let original { return AddedFeedback(feedback: original, replayed: true) }
        logGrowth.signal()
        return AddedFeedback(feedback: feedback, replayed: false)
    }

    private func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        _ missingSession: MissingSessionPolicy
    ) throws -> Metadata {
        try state.withLock { state in
            try state.checkOpen()
            let id = ExactText(sessionID)
            let metadata = change.applied(to: state.metadata[id] ?? [:])
            if state.sessions[id] == nil, missingSession == .reject {
                throw CallError.unknownSession
            }
            _ = try MetadataJSON.encode(metadata)
            _ = try state.session(id, ifMissing: missingSession)
            state.metadata[id] = metadata
            return metadata
        }
    }

    /// See ``Store``.
    public func list(
        _ query: FeedbackQuery,
        context: CallContext
    ) async throws -> FeedbackPage {
        let feedbacks = try snapshot(context).feedbacks.all
        let matching = feedbacks.indices.filter { query.filter.matches(feedbacks[$0]) }
        var rest = query.newestFirst ? matching.reversed() : matching
        if !query.pageToken.isEmpty {
            let position = Int(try tokens.position(in: query))
            rest.removeAll { query.newestFirst ? $0 >= position : $0 <= position }
        }
        let page = rest.prefix(query.pageSize)
        let next =
            page.count < rest.count
            ? page.last.map { tokens.token(position: Int64($0), query: query) } : nil
        return FeedbackPage(
            feedbacks: page.map { feedbacks[$0] },
            nextPageToken: next ?? "",
            totalSize: Int64(matching.count)
        )
    }

    /// See ``Store``.
    public func metrics(
        _ query: MetricsQuery,
        context: CallContext
    ) async throws -> MetricsReport {
        let state = try snapshot(context)
        var builder = MetricsReportBuilder(context)
        let filter = FeedbackFilter(sessionID: query.sessionID, created: query.created)
        for feedback in state.feedbacks.all where filter.matches(feedback) {
            var metrics = Metrics()
            let length = Int64(feedback.comment.codePointCount)
            metrics.count(feedback.rating, commentCodePoints: length)
            let key: String?
            switch query.grouping {
            case .none: key = nil
            case .session: key = feedback.sessionID
            case .metadata(let name):
                let metadata = state.metadata[ExactText(feedback.sessionID)]
                key = MetadataJSON.groupKey(metadata?[name])
            case .hour: key = feedback.createdAt.hour
            case .day: key = feedback.createdAt.day
            }
            try builder.add(metrics, to: key)
        }
        return builder.report
    }

    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        let state = try snapshot(context)
        let id = ExactText(sessionID)
        return state.metadata[id] ?? (state.sessions[id] == nil ? nil : [:])
    }

    /// See ``Store``.
    public func readLog(
        from start: LogStart,
        context: CallContext
    ) async throws -> any LogReader {
        let end = Int64(try snapshot(context).feedbacks.count)
        let number = try epoch.number(of: start, end: end, firstKept: 0)
        return NumberedLogReader(epoch: epoch, growth: logGrowth, after: number) {
            [self] number, limit, context in
            // The number of a feedback is its place in the list, from 1 on.
            let state = try snapshot(context)
            let places = Int(number)..<min(Int(number) + limit, state.feedbacks.count)
            return NumberedChanges(
                changes: places.map { (Int64($0) + 1, .added, state.feedbacks[$0]) },
                end: Int64(state.feedbacks.count)
            )
        }
    }

    /// See ``Store``.
    public func health() async -> StoreHealth {
        state.withLock { $0.isClosed ? .notServing("the store is closed") : .serving }
    }

    /// See ``Store``.
    public func close() async {
        state.withLock { $0.isClosed = true }
        logGrowth.signal()
    }

    private func snapshot(_ context: CallContext) throws -> State {
        try state.withLock { state in
            try state.checkOpen()
            if let reason = context.dropError { throw reason }
            return state
        }
    }
}
