import FeedbackModel
import Synchronization

/// The collection of sessions in a deployment, with the connections to it.
final class SessionCollection: Sendable {
    /// The purpose for which a server is selected: writing needs the primary, reading the URI's
    /// read preference.
    enum Purpose: Sendable {
        case reading, writing
    }

    let pool: ClientPool
    let name: CollectionName
    private let lastOutages = Mutex<[Purpose: ContinuousClock.Instant]>([:])
    private let seen = Mutex<Set<ExactText>>([])
    /// The result of ``MongoCollection/hasPlainIDs``; nil until it is known.
    private let hasPlainIDs = Mutex<Bool?>(nil)

    init(pool: ClientPool, name: CollectionName) {
        self.pool = pool
        self.name = name
    }

    /// Returns the error for a call that need not wait for a server; nil if it has to try.
    ///
    /// If another call has found no server since this one arrived, this one does not wait for the
    /// same time again.
    func refusal(
        arrivedAt: ContinuousClock.Instant,
        for purpose: Purpose
    ) -> CallError? {
        guard let outage = lastOutages.withLock({ $0[purpose] }), arrivedAt < outage else {
            return nil
        }
        return CallError(.unavailable, "MongoDB cannot be reached, or has no primary")
    }

    /// Records that the sessions exist; all are forgotten when there are too many.
    func noteSeen(_ sessions: some Sequence<ExactText>) {
        seen.withLock { seen in
            if seen.count >= MongoStoreLimits.seenSessionsMax { seen.removeAll() }
            seen.formUnion(sessions)
        }
    }

    /// Forgets that the session exists.
    func forget(_ session: ExactText) { seen.withLock { _ = $0.remove(session) } }

    /// Returns those of the sessions that are known to exist.
    func seen(of sessions: some Sequence<ExactText>) -> Set<ExactText> {
        seen.withLock { seen in Set(sessions.lazy.filter(seen.contains)) }
    }

    /// Returns true if one update may change several existing sessions.
    ///
    /// A router may send an update of many documents to a shard that they are being moved to or
    /// from, which then misses one, or counts one that is orphaned. With a collation, several
    /// session_ids may match one document. In a clustered collection, a server reads all documents
    /// between the first and the last. The properties of the collection are read once.
    func mayShareUpdates(in collection: MongoCollection) throws -> Bool {
        guard try collection.writesToReplicaSet else { return false }
        if let known = hasPlainIDs.withLock({ $0 }) { return known }
        do {
            let found = try collection.hasPlainIDs
            hasPlainIDs.withLock { $0 = found }
            return found
        } catch {
            // Sharing is optional; only a permanent failure ends the attempts to read the
            // properties.
            if !error.isTransient { hasPlainIDs.withLock { $0 = false } }
            return false
        }
    }

    /// Calls the body with a connection of its own, on the caller's thread, which may block.
    func use<R>(for purpose: Purpose, _ body: (MongoCollection) throws -> R) throws -> R {
        do {
            return try pool.withClient { try body(MongoCollection(name, client: $0)) }
        } catch let failure as MongoFailure {
            note(failure, for: purpose)
            throw failure
        }
    }

    /// Records the time at which no server could be found.
    func note(_ failure: MongoFailure, for purpose: Purpose) {
        if failure.isSelection { lastOutages.withLock { $0[purpose] = .now } }
    }
}
