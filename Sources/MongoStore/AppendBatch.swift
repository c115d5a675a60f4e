import FeedbackCore
import FeedbackModel
import Glibc

/// The appends that one call of the writer takes to MongoDB.
///
/// They go out as one unordered bulk write. A session's update makes the session if it is missing,
/// and changes nothing if one of the request_ids is there already; sessions that were there when
/// somebody looked last share one update (``MultiAppendStatement``), the others have one each
/// (``AppendStatement``). So every session is changed, is made, is answered with an error, or is
/// missing in the reply's counts. Which ones are missing, the reply does not say: then all that it
/// does not answer, and what a broken connection leaves open, is looked up and, if it is not there,
/// sent again. An error of a shared update tells nothing about each session, so that each has an
/// update of its own after it. What stays open all the same leaves the batch, so that its neighbours
/// are answered.
///
/// An append counts as stored when the bulk write's reply says so, which then is the majority's, or
/// when a read of what the majority has finds it.
struct AppendBatch {
    private let appends: [Append]
    private let sessions: SessionCollection
    private let bulkBytesMax: Int
    private let giveUpAt = ContinuousClock.now + MongoStoreLimits.repetitionTimeout
    private var results: [Result<AddedFeedback, any Error>?]
    /// Whether to wait before the next bulk write, since the last one met a passing failure.
    private var needsPause = false
    private var repetitions: UInt32 = 0

    /// Stores the appends; one result per append, in order.
    static func commit(
        _ appends: [Append],
        to sessions: SessionCollection,
        bulkBytesMax: Int
    ) -> [Result<AddedFeedback, any Error>] {
        var batch = AppendBatch(appends, sessions, bulkBytesMax)
        batch.run()
        return batch.results.map { result in
            guard let result else { preconditionFailure("every append has a result") }
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
        while !pending.isEmpty {
            let bulk = pending.prefix(while: fitting())
            pending.removeFirst(bulk.count)
            pending.insert(contentsOf: attempt(Array(bulk)), at: 0)
        }
        for (index, first) in repeats {
            results[index] = results[first]?.map {
                AddedFeedback(feedback: $0.feedback, replayed: true)
            }
            // That the first one's caller has gone is no answer for another caller.
            if case .failure? = results[index], let reason = appends[first].context.reasonToDrop {
                results[index] = .failure(UndecidedAppend(error: reason))
            }
        }
    }

    // MARK: Sending

    /// Whether one more group fits into a bulk; the first always does.
    private func fitting() -> (AppendGroup) -> Bool {
        var bytes = 0
        return { [bulkBytesMax] group in
            defer { bytes += group.bytes }
            return bytes == 0 || Self.commandBytes + bytes + group.bytes <= bulkBytesMax
        }
    }

    /// At most how many bytes the command of a bulk write has without its updates.
    private static let commandBytes = 2_048

    /// Sends the groups and returns what has to be sent again.
    private mutating func attempt(_ groups: [AppendGroup]) -> [AppendGroup] {
        pauseIfNeeded()
        let groups = wanted(groups)
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
            fail(groups, error)
            return []
        }
        // If a shared update was refused, it has changed nobody knows how many sessions.
        let isComplete =
            reply.failure == nil && !(updates[0].isShared && reply.errors[0] != nil)
            && reply.applied + reply.errors.count == groups.count
        var again: [AppendGroup] = []
        var unknown: [AppendGroup] = []
        var stored: [ExactText] = []
        for (index, update) in updates.enumerated() {
            if let refusal = reply.errors[index], !refusal.isPassing {
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
            if failure.isPassing { return again + repeating(unknown, after: failure) }
            return again + failing(unknown, failure)
        }
        return again + lookUp(unknown)
    }

    /// What is still to be sent, marked as sent.
    ///
    /// Appends that were not sent before are dropped if nobody waits for them any more, and refused
    /// if a former bulk has found no server.
    private mutating func wanted(_ groups: [AppendGroup]) -> [AppendGroup] {
        var wanted: [AppendGroup] = []
        let seen = sessions.seen(of: groups.lazy.map(\.session))
        for var group in groups {
            if !group.isSent {
                group.isSeen = seen.contains(group.session)
                group.members.removeAll { member in
                    let append = appends[member]
                    let arrivedAt = append.arrivedAt
                    guard
                        let reason = append.context.reasonToDrop
                            ?? sessions.refusal(arrivedAt: arrivedAt, for: .writing)
                    else { return false }
                    results[member] = .failure(reason)
                    return true
                }
                group.isSent = true
            }
            if !group.members.isEmpty { wanted.append(group) }
        }
        return wanted
    }

    private func send(
        _ updates: [AppendUpdate],
        to collection: Collection
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
            // How the session would be made costs the server a tenth of the update. One that was
            // there mostly still is; if not, the update does nothing, and the next one makes it.
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

    /// Answers the groups of an update that was refused, or returns what has to be sent again.
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
        fail([group], refusal.error(session: group.session.text))
        // So that it does not have the updates of others refused again.
        sessions.forget(group.session)
        return []
    }

    /// The groups that may be sent again; the others are answered with the failure.
    private mutating func repeating(
        _ groups: [AppendGroup],
        after failure: MongoFailure
    ) -> [AppendGroup] {
        var again: [AppendGroup] = []
        for group in groups {
            let isWanted = group.members.contains { appends[$0].context.reasonToDrop == nil }
            if isWanted, .now < giveUpAt {
                again.append(group)
                needsPause = true
            } else {
                fail([group], failure.error)
            }
        }
        return again
    }

    private mutating func failing(_ groups: [AppendGroup], _ failure: MongoFailure) -> [AppendGroup]
    {
        fail(groups, failure.error)
        return []
    }

    /// Leaves time for another primary, or for another host's write to reach the majority.
    private mutating func pauseIfNeeded() {
        guard needsPause else { return }
        needsPause = false
        repetitions += 1
        // Mostly another host has made the same session, and the second attempt succeeds.
        if repetitions > 1 { usleep(min(repetitions * 5_000, 200_000)) }
    }

    // MARK: Deciding

    /// Finds out which appends of the groups are stored and returns what has to be sent again.
    private mutating func lookUp(_ groups: [AppendGroup]) -> [AppendGroup] {
        if groups.isEmpty { return [] }
        let stored: [ExactText: [ExactText: Feedback]]
        do {
            stored = try sessions.use(for: .writing) { try find(groups, in: $0) }
        } catch let failure as MongoFailure {
            return failure.isPassing ? repeating(groups, after: failure) : failing(groups, failure)
        } catch {
            fail(groups, error)
            return []
        }
        let open = MongoFailure(serverCode: 11_000)
        let undecided = UndecidedAppend(error: open.error)
        var again: [AppendGroup] = []
        for var group in groups {
            group.lookUps += 1
            group.isSeen = false
            guard let elements = stored[group.session] else {
                if group.missingSession == .reject {
                    fail([group], FeedbackError.unknownSession)
                } else if group.lookUps < MongoStoreLimits.lookUpsMax {
                    again.append(group)
                } else {
                    fail([group], undecided)
                }
                continue
            }
            group.members.removeAll { member in
                let requestID = FeedbackDocument.requestID(of: appends[member].feedback)
                guard let original = elements[ExactText(requestID)] else { return false }
                let isOwn = original.id == appends[member].feedback.id
                results[member] = .success(AddedFeedback(feedback: original, replayed: !isOwn))
                return true
            }
            if group.members.isEmpty { continue }
            if group.lookUps < MongoStoreLimits.lookUpsMax {
                again.append(group)
            } else {
                fail([group], undecided)
            }
        }
        return repeating(again, after: open)
    }

    /// What the majority has of the groups' sessions: the feedback by request_id.
    private func find(
        _ groups: [AppendGroup],
        in collection: Collection
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
        results[member] = .success(
            AddedFeedback(feedback: appends[member].feedback, replayed: false)
        )
    }

    private mutating func fail(_ groups: [AppendGroup], _ error: any Error) {
        let error = (error as? MongoFailure)?.error ?? error
        for group in groups {
            for member in group.members { results[member] = .failure(error) }
        }
    }
}
