import FeedbackCore
import FeedbackModel

/// One attempt to store a batch of adds in MongoDB.
///
/// The adds are sent as unordered bulk writes. The update of a session creates the session if it
/// does not exist, and changes nothing if the session has one of the request_ids already. Sessions
/// that are known to exist share one update (``MultiAppendStatement``), the others have one each
/// (``AppendStatement``). So each session is changed, is created, has an error in the reply, or is
/// missing from the counts in the reply. The reply does not say which sessions are missing: if
/// there are any, all that have no error are looked up once. An error of a shared update does not
/// tell which sessions it changed, so that each of them then gets an update of its own.
///
/// An add counts as stored if the reply to the bulk write, which has the write concern majority,
/// says so, or if a read with the read concern majority finds it. An add that is then neither
/// stored nor refused, or whose outcome a broken connection leaves open, is undecided: the queue
/// attempts it again.
struct AppendBatch {
    private let appends: [Append]
    private let sessions: SessionCollection
    private let bulkBytesMax: Int
    private var results: [CommitResult<ChangeOutcome>?]

    /// Attempts once to store the adds; returns one result for each add, in the same order.
    static func commit(
        _ appends: [Append],
        to sessions: SessionCollection,
        bulkBytesMax: Int
    ) -> [CommitResult<ChangeOutcome>] {
        var batch = AppendBatch(appends, sessions, bulkBytesMax)
        batch.run()
        return batch.results.map { result in
            guard let result else { preconditionFailure("every add has a result") }
            return result
        }
    }

    private init(_ appends: [Append], _ sessions: SessionCollection, _ bulkBytesMax: Int) {
        self.appends = appends
        self.sessions = sessions
        self.bulkBytesMax = bulkBytesMax
        results = Array(repeating: nil, count: appends.count)
    }

    private mutating func run() {
        let groupBytesMax = bulkBytesMax - Self.commandBytes
        var (pending, repeats) = AppendGroup.groups(of: appends, bytesMax: groupBytesMax)
        let seen = sessions.seen(of: pending.lazy.map(\.session))
        for index in pending.indices {
            pending[index].isSeen = seen.contains(pending[index].session)
        }
        while !pending.isEmpty {
            let bulk = pending.prefix(while: fitting())
            pending.removeFirst(bulk.count)
            pending.insert(contentsOf: attempt(Array(bulk)), at: 0)
        }
        for (index, first) in repeats {
            if case .done(.added(let added))? = results[first] {
                let replay = AddedFeedback(feedback: added.feedback, replayed: true)
                results[index] = .done(.added(replay))
            } else {
                results[index] = results[first]
            }
        }
    }

    // MARK: - Sending

    /// Returns a predicate that is true while one more group fits into a bulk write; the first
    /// group always fits.
    private func fitting() -> (AppendGroup) -> Bool {
        var bytes = 0
        return { [bulkBytesMax] group in
            defer { bytes += group.bytes }
            return bytes == 0 || Self.commandBytes + bytes + group.bytes <= bulkBytesMax
        }
    }

    /// An upper bound of the size, in bytes, of a bulk write's command without its updates.
    private static let commandBytes = 2_048

    /// Sends the groups and returns those that must be sent again in other updates.
    private mutating func attempt(_ groups: [AppendGroup]) -> [AppendGroup] {
        let groups = withoutRefused(groups)
        if groups.isEmpty { return [] }
        let updates: [AppendUpdate]
        let reply: BulkWrite.Reply
        do {
            (updates, reply) = try sessions.use(for: .writing) { collection in
                let seenCount = groups.lazy.filter(\.isSeen).count
                let mayShare = try seenCount > 1 && sessions.mayShareUpdates(in: collection)
                let updates = AppendUpdate.updates(of: groups, mayShare: mayShare)
                return (updates, try send(updates, to: collection))
            }
        } catch {
            end(groups, error)
            return []
        }
        // It is unknown how many sessions a refused shared update has changed.
        let isComplete =
            reply.failure == nil && !(updates[0].isShared && reply.errors[0] != nil)
            && reply.applied + reply.errors.count == groups.count
        var again: [AppendGroup] = []
        var unknown: [AppendGroup] = []
        var stored: [ExactText] = []
        for (index, update) in updates.enumerated() {
            if let refusal = reply.errors[index], !refusal.isTransient {
                again += refused(update, refusal)
            } else if isComplete, reply.errors[index] == nil {
                for member in update.groups.lazy.flatMap(\.members) { succeed(member) }
                stored += update.groups.lazy.map(\.session)
            } else {
                unknown += update.groups
            }
        }
        sessions.noteSeen(stored)
        if let failure = reply.failure {
            sessions.note(failure, for: .writing)
            end(unknown, failure)
        } else {
            lookUp(unknown)
        }
        return again
    }

    /// Returns the groups without the adds that are refused because a former bulk write found no
    /// server.
    private mutating func withoutRefused(_ groups: [AppendGroup]) -> [AppendGroup] {
        groups.compactMap { group in
            var group = group
            group.members.removeAll { member in
                let arrivedAt = appends[member].arrivedAt
                guard let refusal = sessions.refusal(arrivedAt: arrivedAt, for: .writing) else {
                    return false
                }
                results[member] = .refused(refusal)
                return true
            }
            return group.members.isEmpty ? nil : group
        }
    }

    private func send(
        _ updates: [AppendUpdate],
        to collection: MongoCollection
    ) throws -> BulkWrite.Reply {
        let bulk = BulkWrite(on: collection)
        var statement = AppendStatement()
        for update in updates {
            if update.isShared {
                var shared = MultiAppendStatement()
                shared.write(update.groups.map { appends[$0.members[0]].feedback })
                try bulk.updateMany(shared.filter, shared.pipeline)
                continue
            }
            let group = update.groups[0]
            // The expression that creates the session costs the server a tenth of the update. A
            // session that existed mostly still does; if not, the update does nothing, and the next
            // attempt creates it.
            let makesSession = group.missingSession == .create && !group.isSeen
            statement.write(
                group.members,
                of: appends,
                session: group.session.text,
                makesSession: makesSession
            )
            try bulk.updateOne(statement.filter, statement.pipeline, upsert: makesSession)
        }
        return bulk.execute()
    }

    /// Handles an update that was refused: refuses its groups, or returns those to be sent in other
    /// updates.
    private mutating func refused(
        _ update: AppendUpdate,
        _ refusal: BulkWrite.Refusal
    ) -> [AppendGroup] {
        if update.isShared {
            return update.groups.map { group in
                var group = group
                group.isSeen = false
                return group
            }
        }
        let group = update.groups[0]
        if refusal.failure.mayBeOfOneElement, group.members.count > 1 {
            return group.halves(of: appends)
        }
        refuse([group], refusal.error(session: group.session.text))
        // Otherwise this session would make the server refuse updates that it shares with others.
        sessions.forget(group.session)
        return []
    }

    // MARK: - Deciding

    /// Looks up which adds of the groups are stored; the others are undecided.
    private mutating func lookUp(_ groups: [AppendGroup]) {
        if groups.isEmpty { return }
        let stored: [ExactText: [ExactText: Feedback]]
        do {
            stored = try sessions.use(for: .writing) { try find(groups, in: $0) }
        } catch {
            return end(groups, error)
        }
        for group in groups {
            let elements = stored[group.session]
            // The next attempt has to create the session.
            if elements == nil { sessions.forget(group.session) }
            if elements == nil, group.missingSession == .reject {
                refuse([group], CallError.unknownSession)
                continue
            }
            for member in group.members {
                let requestID = FeedbackDocument.requestID(of: appends[member].feedback)
                if let original = elements?[ExactText(requestID)] {
                    let isOwn = original.id == appends[member].feedback.id
                    let added = AddedFeedback(feedback: original, replayed: !isOwn)
                    results[member] = .done(.added(added))
                } else {
                    results[member] = .undecided(MongoFailure(serverCode: 11_000).error)
                }
            }
        }
    }

    /// Reads, with read concern majority, the feedback of the groups' sessions, by request_id.
    private func find(
        _ groups: [AppendGroup],
        in collection: MongoCollection
    ) throws -> [ExactText: [ExactText: Feedback]] {
        let names = groups.map { BSON.string($0.session.text) }
        let requestIDs = groups.flatMap(\.members).map {
            BSON.string(FeedbackDocument.requestID(of: appends[$0].feedback))
        }
        let isWanted: BSON = ["$in": ["$$this.request_id", ["$literal": .array(requestIDs)]]]
        let pipeline: [BSON] = [
            ["$match": ["_id": ["$in": .array(names)]]],
            [
                "$project": [
                    "feedbacks": ["$filter": ["input": Pipeline.feedbacks, "cond": isWanted]]
                ]
            ],
        ]
        var stored: [ExactText: [ExactText: Feedback]] = [:]
        try collection.aggregate(
            pipeline,
            options: ["readConcern": ["level": "majority"]],
            onPrimary: true
        ) { document, _ in
            guard let name = document["_id"]?.string else { return true }
            var feedbacks: [ExactText: Feedback] = [:]
            for element in document["feedbacks"]?.array ?? [] {
                guard let element = element.document, let key = element["request_id"]?.string
                else { continue }
                feedbacks[ExactText(key)] = FeedbackDocument.feedback(element, sessionID: name)
            }
            stored[ExactText(name)] = feedbacks
            return true
        }
        return stored
    }

    private mutating func succeed(_ member: Int) {
        let added = AddedFeedback(feedback: appends[member].feedback, replayed: false)
        results[member] = .done(.added(added))
    }

    private mutating func refuse(_ groups: [AppendGroup], _ error: any Error) {
        for group in groups {
            for member in group.members { results[member] = .refused(error) }
        }
    }

    /// Ends this attempt for the groups, because of a failure that leaves their outcome open.
    private mutating func end(_ groups: [AppendGroup], _ error: any Error) {
        guard let failure = error as? MongoFailure else { return refuse(groups, error) }
        let result: CommitResult<ChangeOutcome> =
            failure.isTransient ? .undecided(failure.error) : .refused(failure.error)
        for group in groups {
            for member in group.members { results[member] = result }
        }
    }
}
