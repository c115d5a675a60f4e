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
