import FeedbackCore
import FeedbackModel
import Logging

/// The index by which lists and metrics of a span of time find the documents that they need.
///
/// There is none of `message_id`: each add would pay for it, and lists by it are rare.
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
                ["name": "feedbackd_created_at", "key": ["feedbacks.created_at": 1]]
            ],
        ]
    }
}
