public import FeedbackModel

/// A stream of the changes that concern one reader, in the order of the log, each feedback in its
/// present state.
///
/// The position comes when the stream has come to the end of the log for the first time, and whenever
/// there was no event for a while. The log is read a page at a time, when the events of the page
/// before are taken: a slow reader costs one page of memory, and holds no transaction.
public struct LogWatch: Sendable {
    /// The maximum number of changes that are read at once.
    static let changesPerPageMax = 256

    private let query: WatchQuery
    private let log: any LogReader
    private let context: CallContext
    /// The time without an event after which the reader is told the position.
    private let heartbeatInterval: Duration
    private var hasCaughtUp = false
    private var hasEnded = false
    private var hasReturned = false
    /// The time at which the reader had taken the last event, or the stream began.
    private var lastEvent = ContinuousClock.now

    init(
        _ query: WatchQuery,
        of log: any LogReader,
        heartbeatInterval: Duration,
        context: CallContext
    ) {
        self.query = query
        self.log = log
        self.heartbeatInterval = heartbeatInterval
        self.context = context
    }

    /// Waits for the next events.
    ///
    /// - Returns: at least one event; nil after the last change, unless the query follows the log.
    /// - Throws: the errors of ``LogReader/next(limit:patience:context:)``.
    public mutating func next() async throws -> [WatchEvent]? {
        if hasEnded { return nil }
        // The events that were returned before have been taken by now.
        if hasReturned { lastEvent = .now }
        while true {
            let page = try await log.next(
                limit: Self.changesPerPageMax,
                patience: hasCaughtUp ? lastEvent + heartbeatInterval - .now : .zero,
                context: context
            )
            var events = page.changes.compactMap { query.filter.event(of: $0) }
            let catchesUp = page.isAtEnd && !hasCaughtUp
            if catchesUp || events.isEmpty && lastEvent + heartbeatInterval <= .now {
                events.append(.heartbeat(page.position))
            }
            hasCaughtUp = hasCaughtUp || page.isAtEnd
            hasEnded = page.isAtEnd && !query.follows
            hasReturned = !events.isEmpty
            if hasReturned { return events }
            if hasEnded { return nil }
        }
    }

    /// Sends each event in turn, and closes the stream.
    ///
    /// - Throws: the errors of ``next()`` and of `send`.
    public mutating func deliver(_ send: (WatchEvent) async throws -> Void) async throws {
        do {
            while let events = try await next() {
                for event in events { try await send(event) }
            }
        } catch {
            await close()
            throw error
        }
        await close()
    }

    /// Ends the stream, and frees what it holds.
    public func close() async { await log.close() }
}

extension FeedbackFilter {
    /// Returns the change as a reader with this filter sees it; nil if it does not concern that
    /// reader.
    ///
    /// A feedback never changes its session: the changes of other sessions concern no reader of one.
    fileprivate func event(of change: FeedbackChange) -> WatchEvent? {
        let feedback = change.feedback
        if change.kind == .added || change.kind == .updated, matches(feedback) {
            return .change(change)
        }
        guard change.kind != .added, hasSession(of: feedback) else { return nil }
        guard change.kind == .updated else { return .change(change) }
        return .change(
            FeedbackChange(
                position: change.position,
                kind: .left,
                feedback: Feedback(
                    id: feedback.id,
                    draft: FeedbackDraft(sessionID: feedback.sessionID),
                    createdAt: feedback.createdAt,
                    updatedAt: feedback.updatedAt
                )
            )
        )
    }

    private func hasSession(of feedback: Feedback) -> Bool {
        sessionID.map { ExactText(feedback.sessionID) == ExactText($0) } ?? true
    }
}
