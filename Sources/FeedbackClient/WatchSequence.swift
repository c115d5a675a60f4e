public import FeedbackModel
internal import Synchronization

/// The changes of feedback, in the order of the log, each feedback in its present state.
///
/// An iteration goes on by itself, after the last position, when the connection is lost or the server
/// is UNAVAILABLE, as often as needed while changes or heartbeats come between; so a change may come
/// twice, and none is left out. A further iteration goes on where the last one has ended. The changes
/// are read ahead, about 512 KiB of them.
///
///     let watch = client.watchFeedbacks(WatchQuery(FeedbackFilter(ratings: [.down])))
///     for try await change in watch { … }
public final class WatchSequence: AsyncSequence, Sendable {
    private let transport: any Transport
    private let query: WatchQuery
    private let options: FeedbackClient.Options
    private let lastPosition = Mutex<LogPosition?>(nil)

    init(_ query: WatchQuery, over transport: any Transport, options: FeedbackClient.Options) {
        self.query = query
        self.transport = transport
        self.options = options
    }

    /// The position after the last change that was returned, or of a heartbeat after it; nil before
    /// the first.
    ///
    /// A stream that begins after it goes on from there, also in another process.
    public var position: LogPosition? { lastPosition.withLock { $0 } }

    /// Makes an iterator that begins after ``position``, or where the query says if there is none.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(sequence: self) }

    /// An iterator over the changes; the stream ends when it is released, or when its task is
    /// cancelled.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let sequence: WatchSequence
        private var source: (any WatchSource)?
        private var events: ArraySlice<WatchEvent> = []
        private var hasEnded = false
        private var backoff: Backoff

        fileprivate init(sequence: WatchSequence) {
            self.sequence = sequence
            backoff = Backoff(sequence.options)
        }

        /// Waits for the next change.
        ///
        /// - Returns: the change; nil after the last, unless the query follows the log.
        /// - Throws: a ``CallError``: UNAVAILABLE if ``FeedbackClient/Options/attemptsMax`` attempts
        ///   in a row have brought nothing; CANCELLED with the task or the client; OUT_OF_RANGE if
        ///   changes that follow are no longer kept, or the position is of another store.
        public mutating func next() async throws -> FeedbackChange? {
            while true {
                while let event = events.popFirst() {
                    if let change = sequence.note(event) { return change }
                }
                if hasEnded { return nil }
                try await readOn()
            }
        }

        private mutating func readOn() async throws {
            do {
                let source = try await openSource()
                guard let next = try await source.next() else {
                    hasEnded = true
                    return
                }
                events = next[...]
                backoff = Backoff(sequence.options)
            } catch let error as CallError where error.code == .unavailable {
                source = nil
                try await backoff.pause(after: error)
            }
        }

        private mutating func openSource() async throws -> any WatchSource {
            if let source { return source }
            let opened = try await sequence.transport.watch(sequence.queryFromHere)
            source = opened
            return opened
        }
    }

    /// The query that goes on after ``position``.
    private var queryFromHere: WatchQuery {
        var query = query
        if let position { query.start = .after(position) }
        return query
    }

    /// Notes the position of an event, and returns its change.
    private func note(_ event: WatchEvent) -> FeedbackChange? {
        switch event {
        case .change(let change):
            lastPosition.withLock { $0 = change.position }
            return change
        case .heartbeat(let position):
            lastPosition.withLock { $0 = position }
            return nil
        }
    }
}

/// The pauses between the attempts of a call.
struct Backoff {
    private let options: FeedbackClient.Options
    private var pause: Duration
    private var attempts = 1

    init(_ options: FeedbackClient.Options) {
        self.options = options
        pause = min(options.backoff, options.backoffMax)
    }

    /// Waits before the next attempt.
    ///
    /// - Throws: the error if there may be no further attempt, or none before the deadline; CANCELLED
    ///   if the task is cancelled.
    mutating func pause(
        after error: CallError,
        before deadline: ContinuousClock.Instant? = nil
    ) async throws(CallError) {
        let cut = pause * Double.random(in: 0.5...1)
        guard attempts < options.attemptsMax, deadline.map({ .now + cut < $0 }) ?? true else {
            throw error
        }
        do {
            try await Task.sleep(for: cut)
        } catch {
            throw CallError(.cancelled, "the task was cancelled")
        }
        attempts += 1
        pause = min(pause * 2, options.backoffMax)
    }
}
