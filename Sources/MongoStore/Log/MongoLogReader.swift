import FeedbackCore
import FeedbackModel
import Synchronization

/// A reader of the log of a ``MongoStore``.
///
/// It is a place and no more: at the end of the log it takes its changes from the shared feed, and
/// before that each page is a read of its own, which takes its turn among the store's reads. So any
/// number of readers needs one thread and one connection.
final class MongoLogReader: LogReader {
    private struct State {
        var place: LogPlace
        /// The position for changes that have none of their own.
        var position: LogPosition
        var isOpen = true
    }

    private let store: MongoStore
    private let feed: ChangeFeed
    private let openedAt: ClusterTime
    private let state: Mutex<State>

    /// Makes a reader that has joined the feed.
    init(
        of store: MongoStore,
        on feed: ChangeFeed,
        from place: LogPlace,
        _ opening: LogOpening
    ) {
        self.store = store
        self.feed = feed
        openedAt = opening.time
        let position = place.position ?? LogPlace.beginningPosition
        state = Mutex(State(place: place, position: position))
    }

    deinit { leave() }

    /// See ``LogReader``.
    func next(limit: Int, patience: Duration, context: CallContext) async throws -> LogPage {
        let end = ContinuousClock.now + patience
        var outage: ContinuousClock.Instant?
        while true {
            try Task.checkCancellation()
            let count = feed.growth.count
            let (page, mustWait): (LogPage, Bool)
            do {
                (page, mustWait) = try await nextNow(limit, context)
                outage = nil
            } catch let error as CallError where error.code == .unavailable && feed.isOpen {
                let since = outage ?? .now
                if .now - since > MongoStoreLimits.changesOutageMax { throw error }
                outage = since
                try await Task.sleep(for: MongoStoreLimits.changesRetryInterval)
                continue
            }
            let rest = end - .now
            if !page.changes.isEmpty || (page.isAtEnd && rest <= .zero) { return page }
            // Before the end of the log as it was at the beginning, there is something to come.
            let wait = page.isAtEnd ? rest : MongoStoreLimits.changesWait
            if mustWait { await feed.growth.wait(after: count, atMost: wait) }
        }
    }

    /// See ``LogReader``.
    func close() async { leave() }

    private func leave() {
        let wasOpen = state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen
        }
        if wasOpen { feed.leave() }
    }

    /// Returns the next changes without waiting for any, and whether only the feed has more.
    private func nextNow(
        _ limit: Int,
        _ context: CallContext
    ) async throws -> (LogPage, mustWait: Bool) {
        switch state.withLock({ $0.place }) {
        case .beginning:
            preconditionFailure("a reader begins with a scan")
        case .scan(let place, let collection):
            return (try await scan(place, collection, limit, context), false)
        case .stream(let place, var collection):
            let changes: [StreamChange]
            let reached: StreamPlace
            // The moment up to which there is no more; nil if that is not known.
            var readUpTo: ClusterTime?
            let answer = try feed.changes(after: place, limit: limit)
            switch answer {
            case .changes(let found, let end, let moment):
                (changes, reached, readUpTo) = (found, end, moment)
            case .behind:
                (changes, reached) = try await store.changes(after: place, limit: limit, context)
            }
            if collection.isEmpty, !changes.isEmpty {
                collection = try await store.read(context) { try $0.collection.uuid ?? "" }
            }
            let page = LogPage(
                changes: changes.map {
                    FeedbackChange(
                        position: position(.stream($0.place, collection: collection)),
                        kind: $0.kind,
                        feedback: $0.feedback
                    )
                },
                position: position(.stream(reached, collection: collection)),
                isAtEnd: readUpTo.map { $0 >= openedAt } ?? false
            )
            move(to: .stream(reached, collection: collection), page.position)
            return (page, mustWait: !answer.isBehind)
        }
    }

    /// Returns the next feedback of what was there when the reader began.
    private func scan(
        _ place: ScanPlace,
        _ collection: String,
        _ limit: Int,
        _ context: CallContext
    ) async throws -> LogPage {
        let found = try await store.read(context) {
            try LogScan.page(after: place, limit: limit, $0)
        }
        var changes: [FeedbackChange] = []
        for (feedback, last) in zip(found.feedbacks, found.places) {
            let place = LogPlace.scan(
                ScanPlace(time: place.time, last: last),
                collection: collection
            )
            changes.append(
                FeedbackChange(position: position(place), kind: .added, feedback: feedback)
            )
            move(to: place, position(place))
        }
        if !found.isCut {
            let end = LogPlace.stream(
                StreamPlace(time: place.time, number: 0),
                collection: collection
            )
            let last = changes.indices.last
            if let last { changes[last].position = position(end) }
            move(to: end, position(end))
        }
        let position = state.withLock { $0.position }
        return LogPage(changes: changes, position: position, isAtEnd: !found.isCut)
    }

    /// Returns the position of a place, or else the last one that could be given: readers go on
    /// from there and see some feedback again.
    private func position(_ place: LogPlace) -> LogPosition {
        place.position ?? state.withLock { $0.position }
    }

    private func move(to place: LogPlace, _ position: LogPosition) {
        state.withLock { state in
            state.place = place
            state.position = position
        }
    }
}
