import FeedbackCore
import FeedbackModel
import Logging
import Synchronization

/// The removal of changes from a journal.
extension JournaledStore {
    /// Removes what the other store has, every cursor has passed and no delivery needs, once it is
    /// old enough, until the task is cancelled.
    func purge(_ journal: SQLiteStore) async {
        while !Task.isCancelled {
            do {
                while try await !purgeSome(journal) { try Task.checkCancellation() }
            } catch {
                // The journal's failures are logged by the store itself; the next time may succeed.
                logger.debug("the journal is not made shorter: \(error)")
            }
            try? await Task.sleep(for: limits.purgePause)
        }
    }

    /// Removes a limited number of changes; returns true if there are no more.
    private func purgeSome(_ journal: SQLiteStore) async throws -> Bool {
        let (replicator, followers) = state.withLock { ($0.replicator, $0.followers) }
        let age = Int64(limits.keep / .milliseconds(1))
        return try await journal.purge(
            upTo: replicator?.position ?? .max,
            passedBy: followers,
            before: Timestamp.now.advanced(byMilliseconds: -age)
        )
    }
}
