import FeedbackCore
import FeedbackModel
import Logging

/// The indexes by which lists and metrics of every session find the documents that they need.
enum Indexes {
    /// Makes those that are missing; without them everything works, but slower.
    static func make(in sessions: SessionCollection, on workers: WorkerPool, logger: Logger) async {
        do {
            try await workers.run(CallContext()) {
                try sessions.use { collection in
                    _ = try collection.write(command(collection: sessions.name.collection))
                }
            }
        } catch {
            let error = (error as? MongoFailure)?.error ?? error
            logger.warning("the indexes could not be made: \(error)")
        }
    }

    private static func command(collection: String) -> BSONDocument {
        [
            "createIndexes": .string(collection),
            "indexes": [
                [
                    "name": "feedbackd_created_at",
                    "key": ["feedbacks.created_at": 1],
                ],
                [
                    "name": "feedbackd_message_id",
                    "key": ["feedbacks.message_id": 1],
                    "sparse": true,
                ],
            ],
        ]
    }
}
