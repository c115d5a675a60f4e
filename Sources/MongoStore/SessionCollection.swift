import FeedbackModel
import Synchronization

/// The sessions of a deployment: connections to it and the collection's name.
final class SessionCollection: Sendable {
    /// What a server is looked for: writing needs the primary, reading what the URI prefers.
    enum Purpose: Sendable {
        case reading, writing
    }

    let pool: ClientPool
    let name: CollectionName
    private let lastOutages = Mutex<[Purpose: ContinuousClock.Instant]>([:])
    private let seen = Mutex<Set<ExactText>>([])
    /// Nil as long as nobody could look.
    private let hasPlainIDs = Mutex<Bool?>(nil)

    init(pool: ClientPool, name: CollectionName) {
        self.pool = pool
        self.name = name
    }

    /// Why a call that came at that time is refused at once; nil if it is not.
    ///
    /// After its arrival another has found that no server can be reached: it need not wait just as
    /// long again.
    func refusal(
        arrivedAt: ContinuousClock.Instant,
        for purpose: Purpose
    ) -> FeedbackError? {
        guard let outage = lastOutages.withLock({ $0[purpose] }), arrivedAt < outage else {
            return nil
        }
        return FeedbackError(.unavailable, "MongoDB cannot be reached, or has no primary")
    }

    /// Remembers that the sessions are there, until there are too many to remember.
    func noteSeen(_ sessions: some Sequence<ExactText>) {
        seen.withLock { seen in
            if seen.count >= MongoStoreLimits.seenSessionsMax { seen.removeAll() }
            seen.formUnion(sessions)
        }
    }

    /// Forgets that the session is there.
    func forget(_ session: ExactText) { seen.withLock { _ = $0.remove(session) } }

    /// Which of the sessions were there when somebody looked last.
    func seen(of sessions: some Sequence<ExactText>) -> Set<ExactText> {
        seen.withLock { seen in Set(sessions.lazy.filter(seen.contains)) }
    }

    /// Whether one update may change several sessions, of which some are there.
    ///
    /// A router may send an update of many documents to a shard that they are being moved to or
    /// from, which then misses one, or counts one that is given up. With a collation, several
    /// session_ids may be of one document. And in a clustered collection a server looks at all
    /// documents between the first and the last. What the collection is like is looked up once.
    func mayShareUpdates(in collection: Collection) throws -> Bool {
        guard try collection.writesToReplicaSet else { return false }
        if let known = hasPlainIDs.withLock({ $0 }) { return known }
        do {
            let found = try collection.hasPlainIDs
            hasPlainIDs.withLock { $0 = found }
            return found
        } catch {
            // It works without; only what will not pass is not asked again.
            if !error.isPassing { hasPlainIDs.withLock { $0 = false } }
            return false
        }
    }

    /// Runs the body with a connection of its own, on the caller's thread, which may block.
    func use<R>(for purpose: Purpose, _ body: (Collection) throws -> R) throws -> R {
        do {
            return try pool.withClient { try body(Collection(name, client: $0)) }
        } catch let failure as MongoFailure {
            note(failure, for: purpose)
            throw failure
        }
    }

    /// Remembers when no server could be found.
    func note(_ failure: MongoFailure, for purpose: Purpose) {
        if failure.isSelection { lastOutages.withLock { $0[purpose] = .now } }
    }
}
