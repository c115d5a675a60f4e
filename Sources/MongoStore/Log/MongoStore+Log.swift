public import FeedbackCore
public import FeedbackModel
internal import Synchronization

extension MongoStore {
    /// See ``Store``.
    ///
    /// The log is the change stream of the collection, so that it has the changes of all programs.
    /// From the beginning on, what is there is read first, session by session, and then the changes
    /// since; a feedback that was added meanwhile comes twice. Feedback that was removed from
    /// MongoDB is not told, and writes that replace the array of a session, or its document, bring
    /// all of its feedback again.
    ///
    /// - Throws: FAILED_PRECONDITION for a standalone server.
    public func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        let asked: LogPlace? =
            switch start {
            case .beginning: .beginning
            case .now: nil
            case .after(let position): try LogPlace(position)
            }
        let opening = try await read(context) { try LogOpening($0) }
        let place = try opening.place(of: asked)
        // A position that is no longer good is refused at once.
        if case .stream(let place, _)? = asked {
            _ = try await changes(after: place, limit: 1, context)
        }
        return MongoLogReader(
            of: self,
            on: joinFeed(from: opening.time),
            from: place,
            opening
        )
    }

    /// Returns changes after a place, read from the server; at most `limit`, or some more of one
    /// write.
    func changes(
        after place: StreamPlace,
        limit: Int,
        _ context: CallContext
    ) async throws -> (changes: [StreamChange], place: StreamPlace) {
        try await read(context) { sessions in
            let reader = ChangeStreamReader(
                on: sessions.collection,
                after: place,
                wait: MongoStoreLimits.pageWait,
                batchMax: limit
            )
            var changes: [StreamChange] = []
            do {
                while changes.count < limit, let next = try reader.next() { changes += next }
            } catch let end as StreamEnd {
                // What came before the end is told first.
                if changes.isEmpty { throw end.error }
            }
            if changes.count > limit {
                changes.removeLast(changes.count - limit)
                return (changes, changes[limit - 1].place)
            }
            return (changes, max(place, reader.place))
        }
    }

    /// Returns the feed with one more reader; it is made when there is none.
    private func joinFeed(from time: ClusterTime) -> ChangeFeed {
        feed.withLock { feed in
            if let feed, feed.join() { return feed }
            let made = ChangeFeed(of: sessions, from: time)
            _ = made.join()
            feed = made
            return made
        }
    }
}

/// The state of the collection when a reader begins.
struct LogOpening: Sendable {
    /// The moment of the last write of the deployment.
    let time: ClusterTime
    /// The UUID of the collection; nil if it does not exist.
    let collection: String?

    /// Reads the state.
    ///
    /// - Throws: FAILED_PRECONDITION for a standalone server; the failures of MongoDB.
    init(_ sessions: ReadableSessions) throws {
        collection = try sessions.collection.uuid
        guard let time = try sessions.collection.clusterTime else {
            throw MongoFailure(serverCode: MongoFailure.noReplicaSet).error
        }
        self.time = time
    }

    /// Returns the place at which a reader begins.
    ///
    /// - Parameter asked: the place that was asked for; nil for the end.
    /// - Returns: a place of a scan or of the stream.
    /// - Throws: OUT_OF_RANGE for a place of another collection, or after the last write.
    func place(of asked: LogPlace?) throws(CallError) -> LogPlace {
        switch asked {
        case .beginning:
            return .scan(ScanPlace(time: time.next, last: nil), collection: collection ?? "")
        case nil:
            return .stream(StreamPlace(time: time.next, number: 0), collection: collection ?? "")
        case .scan(let place, let collection)?:
            try check(collection, place.time)
            return .scan(place, collection: collection)
        case .stream(let place, let collection)?:
            // Before its first change, a moment need not have come yet.
            try check(collection, place.number > 0 ? place.time.next : place.time)
            return .stream(place, collection: collection)
        }
    }

    private func check(_ collection: String, _ time: ClusterTime) throws(CallError) {
        if collection != self.collection {
            throw .gone("of another collection, or of this one before it was restored")
        }
        if time > self.time.next { throw .gone("of a change that MongoDB does not have") }
    }
}
