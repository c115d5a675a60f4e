import FeedbackModel
import Synchronization

/// The sessions of a deployment: connections to it and the collection's name.
final class SessionCollection: Sendable {
    let pool: ClientPool
    let name: CollectionName
    private let lastOutage = Mutex<ContinuousClock.Instant?>(nil)

    init(pool: ClientPool, name: CollectionName) {
        self.pool = pool
        self.name = name
    }

    /// Why a call that came at that time is refused at once; nil if it is not.
    ///
    /// After its arrival another has found that no server can be reached: it need not wait just as
    /// long again.
    func refusal(arrivedAt: ContinuousClock.Instant) -> FeedbackError? {
        guard let outage = lastOutage.withLock({ $0 }), arrivedAt < outage else { return nil }
        return FeedbackError(.unavailable, "MongoDB cannot be reached, or has no primary")
    }

    /// Runs the body with a connection of its own, on the caller's thread, which may block.
    func use<R>(_ body: (Collection) throws -> R) throws -> R {
        do {
            return try pool.withClient { try body(Collection(name, client: $0)) }
        } catch let failure as MongoFailure {
            note(failure)
            throw failure
        }
    }

    /// Remembers when no server could be found.
    func note(_ failure: MongoFailure) {
        if failure.isSelection { lastOutage.withLock { $0 = .now } }
    }
}
