import FeedbackCore
import FeedbackModel
import Logging

/// The index by which lists and metrics of a span of time find the documents that they need: those
/// that were added to since it began.
///
/// An index of the elements' own times would be exact, but each add would pay for all the elements
/// that its session has. There is none of `message_id` either: lists by it are rare.
enum Indexes {
    /// Makes what is missing; without it everything works, but slower.
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
