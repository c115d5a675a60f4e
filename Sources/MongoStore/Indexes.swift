import FeedbackCore
import FeedbackModel
import Logging

/// The index by which lists and metrics of a time range find the documents that they need: those
/// that were added to since the start of the range.
///
/// An index of the elements' own times would be exact, but each add would pay for all the elements
/// of its session. `message_id` has no index either, since lists by it are rare.
enum Indexes {
    /// Creates the index if it does not exist; without it everything works, but slower.
    static func make(in sessions: SessionCollection, on workers: WorkerPool, logger: Logger) async {
        do {
            try await workers.run(CallContext()) {
                try sessions.use(for: .writing) { collection in
                    _ = try collection.write(command(collection: sessions.name.collection))
                }
            }
        } catch {
            let error = (error as? MongoFailure)?.error ?? error
            logger.warning("the index could not be made: \(error)")
        }
    }

    private static func command(collection: String) -> BSONDocument {
        [
            "createIndexes": .string(collection),
            "indexes": [
                ["name": "feedbackd_updated_at", "key": ["updated_at": 1]]
            ],
        ]
    }
}
