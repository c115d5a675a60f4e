import Dispatch
import FeedbackCore
import FeedbackModel
import Synchronization

/// The stream of changes that all readers at the end of a store's log share.
///
/// It has one change stream of MongoDB, on a thread and a connection of its own, from the first
/// reader on and until the last one has left, and keeps the last changes in memory. A reader from
/// whose place on it does not have all changes reads pages of its own until it does.
///
/// When a server fails, the feed goes on with the next one. It ends for good with an error if the
/// changes that follow are no longer kept, the collection is dropped or renamed, or nothing could be
/// read for a while.
final class ChangeFeed: Sendable {
    private struct State {
        var readerCount = 0
        /// The error for readers that have come to the end; nil while the feed goes on.
        var end: CallError?
        /// The changes after ``start``, in order.
        var changes: [StreamChange] = []
        var bytes = 0
        var start: StreamPlace
        /// The place up to which the stream has been read.
        var place: StreamPlace
        /// True once the stream has been read, even if there was nothing.
        var hasRead = false
        var failingSince: ContinuousClock.Instant?

        /// Drops the oldest changes down to the limits.
        mutating func trim() {
            var count = 0
            while changes.count - count > MongoStoreLimits.feedLengthMax
                || bytes > MongoStoreLimits.feedBytesMax
            {
                bytes -= FeedbackDocument.bytes(of: changes[count].feedback)
                count += 1
            }
            if count > 0 { start = changes[count - 1].place }
            changes.removeFirst(count)
        }
    }

    /// The changes that a reader asks for.
    enum Answer {
        /// The next changes, the place after them, and, if they are all, the moment up to which the
        /// stream has been read; nil if it has more, or has not been read yet.
        case changes([StreamChange], StreamPlace, readUpTo: ClusterTime?)
        /// The feed does not have all changes after the reader's place.
        case behind

        var isBehind: Bool {
            if case .behind = self { true } else { false }
        }
    }

    /// Is signalled when the feed has come further, or has ended.
    let growth = LogGrowth()
    private let state: Mutex<State>
    private let sessions: SessionCollection
    private let queue = DispatchQueue(label: "feedbackd.mongo.changes")

    /// Makes a feed, which starts when the first reader joins it.
    ///
    /// - Parameters:
    ///   - sessions: the collection.
    ///   - time: the moment from which on it has all changes.
    init(of sessions: SessionCollection, from time: ClusterTime) {
        self.sessions = sessions
        let start = StreamPlace(time: time, number: 0)
        state = Mutex(State(start: start, place: start))
    }

    /// True until the feed has ended.
    var isOpen: Bool { state.withLock { $0.end == nil } }

    /// Counts a reader; returns false if the feed has ended, so that a new one has to be made.
    func join() -> Bool {
        let (isJoined, isFirst) = state.withLock { state in
            if state.end != nil { return (false, false) }
            state.readerCount += 1
            return (true, state.readerCount == 1)
        }
        if isFirst { queue.async { self.run() } }
        return isJoined
    }

    /// Counts a reader out; with the last one, the feed ends.
    func leave() {
        state.withLock { state in
            state.readerCount -= 1
            if state.readerCount == 0 { state.end = state.end ?? .closedFeed }
        }
    }

    /// Ends the feed and returns when it uses no connection any more.
    func close() async {
        end(.closedFeed)
        await withUnsafeContinuation { continuation in queue.async { continuation.resume() } }
    }

    /// Returns the changes after a place, at most `limit`.
    ///
    /// - Throws: the error with which the feed has ended, once all its changes have been returned.
    func changes(after place: StreamPlace, limit: Int) throws(CallError) -> Answer {
        try state.withLock { state throws(CallError) in
            if place < state.start {
                if let end = state.end { throw end }
                return .behind
            }
            let first = state.changes.partitionIndex { $0.place > place }
            let rest = state.changes[first...]
            if rest.isEmpty, let end = state.end { throw end }
            let page = Array(rest.prefix(limit))
            if page.count < rest.count {
                return .changes(page, page.last?.place ?? place, readUpTo: nil)
            }
            let readUpTo = state.hasRead ? state.place.time : nil
            return .changes(page, max(place, state.place), readUpTo: readUpTo)
        }
    }

    // MARK: - The feed's queue

    private func run() {
        do {
            try sessions.use(for: .reading) { collection in
                let place = state.withLock { $0.place }
                let reader = ChangeStreamReader(
                    on: collection,
                    after: place,
                    wait: min(MongoStoreLimits.changesWait, sessions.pool.serverTimeMax)
                )
                while isOpen {
                    let changes = try reader.next()
                    append(changes ?? [], upTo: max(place, reader.place))
                }
            }
        } catch let failure as MongoFailure where failure.mayPass {
            retry(failure)
        } catch let end as StreamEnd {
            passOrEnd(end)
        } catch {
            end((error as? MongoFailure)?.error ?? CallError(error))
        }
    }

    private func append(_ changes: [StreamChange], upTo place: StreamPlace) {
        let hasGrown = state.withLock { state in
            state.failingSince = nil
            let hasGrown = state.place < place || !state.hasRead
            state.place = place
            state.hasRead = true
            state.changes += changes
            for change in changes { state.bytes += FeedbackDocument.bytes(of: change.feedback) }
            if state.changes.count > 2 * MongoStoreLimits.feedLengthMax
                || state.bytes > 2 * MongoStoreLimits.feedBytesMax
            {
                state.trim()
            }
            return hasGrown
        }
        if hasGrown { growth.signal() }
    }

    private func retry(_ failure: MongoFailure) {
        let since = state.withLock { state in
            let since = state.failingSince ?? .now
            state.failingSince = since
            return since
        }
        if .now - since > MongoStoreLimits.changesOutageMax { return end(failure.error) }
        let interval = MongoStoreLimits.changesRetryInterval / .seconds(1)
        queue.asyncAfter(deadline: .now() + interval) {
            if self.isOpen { self.run() }
        }
    }

    /// Ends the feed, unless it was a former collection of the name that has ended at the very
    /// moment from which the feed reads on.
    private func passOrEnd(_ streamEnd: StreamEnd) {
        let isFormer = state.withLock { state in
            guard state.place == StreamPlace(time: streamEnd.time, number: 0),
                state.place == state.start
            else { return false }
            state.start.time = streamEnd.time.next
            state.place = state.start
            return true
        }
        if isFormer { run() } else { end(streamEnd.error) }
    }

    private func end(_ error: CallError) {
        state.withLock { $0.end = $0.end ?? error }
        growth.signal()
    }
}

extension [StreamChange] {
    /// Returns the first index from which on all elements meet the condition.
    fileprivate func partitionIndex(where isAfter: (StreamChange) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension CallError {
    fileprivate static let closedFeed = CallError(.unavailable, "the store is closed")
}
