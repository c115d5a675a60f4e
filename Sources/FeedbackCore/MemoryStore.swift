public import FeedbackModel
internal import Synchronization

/// Keeps feedback in memory, for tests and benchmarks: nothing survives the process.
///
/// A call never waits. Lists and metrics look at every feedback, so that they are plainly right.
public final class MemoryStore: Store {
    private struct Session {
        var metadata: Metadata = [:]
        /// Places in `feedbacks` by request_id.
        var places: [ExactText: Int] = [:]
    }

    private struct State {
        var feedbacks: [Feedback] = []
        var sessions: [ExactText: Session] = [:]
        var isClosed = false

        func checkOpen() throws {
            if isClosed { throw FeedbackError(.unavailable, "the store is closed") }
        }
    }

    private let state = Mutex(State())
    private let tokens = PageTokenCodec(key: PageTokenCodec.makeKey())

    /// Makes an empty store.
    public init() {}

    /// See ``Store``.
    public func append(
        _ feedback: Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback {
        try state.withLock { state in
            try state.checkOpen()
            if let reason = context.reasonToDrop { throw reason }
            let key = ExactText(feedback.sessionID)
            let requestID = ExactText(feedback.draft.requestID)
            if state.sessions[key] == nil {
                guard missingSession == .create else { throw FeedbackError.unknownSession }
                state.sessions[key] = Session()
            }
            if !requestID.text.isEmpty {
                if let place = state.sessions[key]?.places[requestID] {
                    return AddedFeedback(feedback: state.feedbacks[place], replayed: true)
                }
                state.sessions[key]?.places[requestID] = state.feedbacks.count
            }
            state.feedbacks.append(feedback)
            return AddedFeedback(feedback: feedback, replayed: false)
        }
    }

    /// See ``Store``.
    public func list(
        _ query: FeedbackQuery,
        context: CallContext
    ) async throws -> FeedbackPage {
        let feedbacks = try snapshot(context).feedbacks
        let matching = feedbacks.indices.filter { query.matches(feedbacks[$0]) }
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
        var whole = Metrics()
        var groups: [ExactText: Metrics] = [:]
        let filter = FeedbackQuery(sessionID: query.sessionID, created: query.created)
        for feedback in state.feedbacks where filter.matches(feedback) {
            let length = Int64(feedback.comment.unicodeScalars.count)
            whole.count(feedback.rating, commentCodePoints: length)
            let key: String
            switch query.grouping {
            case .none: continue
            case .session: key = feedback.sessionID
            case .metadata(let name):
                let session = state.sessions[ExactText(feedback.sessionID)]
                key = try MetadataJSON.groupKey(session?.metadata[name])
            case .hour: key = feedback.createdAt.hour
            case .day: key = feedback.createdAt.day
            }
            groups[ExactText(key), default: Metrics()].count(
                feedback.rating,
                commentCodePoints: length
            )
        }
        return MetricsReport(metrics: whole, groups: groups)
    }

    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        try snapshot(context).sessions[ExactText(sessionID)]?.metadata
    }

    /// See ``Store``.
    public func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> Metadata {
        try state.withLock { state in
            try state.checkOpen()
            if let reason = context.reasonToDrop { throw reason }
            let key = ExactText(sessionID)
            if state.sessions[key] == nil, missingSession == .reject {
                throw FeedbackError.unknownSession
            }
            let metadata = change.applied(to: state.sessions[key]?.metadata ?? [:])
            _ = try MetadataJSON.encode(metadata)
            state.sessions[key, default: Session()].metadata = metadata
            return metadata
        }
    }

    /// See ``Store``.
    public func health() async -> StoreHealth {
        state.withLock { $0.isClosed ? .notServing("the store is closed") : .serving }
    }

    /// See ``Store``.
    public func close() async {
        state.withLock { $0.isClosed = true }
    }

    private func snapshot(_ context: CallContext) throws -> State {
        try state.withLock { state in
            try state.checkOpen()
            if let reason = context.reasonToDrop { throw reason }
            return state
        }
    }
}
