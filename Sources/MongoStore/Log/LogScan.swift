import FeedbackCore
import FeedbackModel

/// The reading of what was there when a reader began, in the order of the sessions' `_id`, which is
/// an index, and within a session in that of its array.
enum LogScan {
    /// Some feedback, with its places.
    struct Page: Sendable {
        var feedbacks: [Feedback]
        var places: [(sessionID: String, index: Int64)]
        /// True if there is feedback after the page.
        var isCut: Bool
    }

    /// Returns the feedback after a place, at most `limit`.
    static func page(
        after place: ScanPlace,
        limit: Int,
        _ sessions: ReadableSessions
    ) throws -> Page {
        var page = FillingPage<Void>(lengthMax: limit)
        var places: [(sessionID: String, index: Int64)] = []
        try sessions.aggregate(pipeline(after: place, limit: limit), notBefore: place.time.former) {
            row,
            bytes in
            guard let name = row["_id"]?.string, let index = row["i"]?.integer else { return true }
            let feedback = FeedbackDocument.feedback(
                row["feedbacks"]?.document ?? BSONDocument(),
                sessionID: name,
                createdAt: row["at"]
            )
            guard page.add(feedback, at: (), bytes: bytes) else { return false }
            places.append((name, index))
            return true
        }
        return Page(feedbacks: page.feedbacks, places: places, isCut: page.isCut)
    }

    private static func pipeline(after place: ScanPlace, limit: Int) -> [BSON] {
        var stages: [BSON] = [
            ["$match": ["_id": place.last.map { ["$gte": .string($0.sessionID)] } ?? anyText]],
            ["$sort": ["_id": 1]],
            ["$project": ["feedbacks": Pipeline.feedbacks]],
            ["$unwind": ["path": "$feedbacks", "includeArrayIndex": "i"]],
        ]
        if let last = place.last {
            let isOther: BSON = ["_id": ["$ne": .string(last.sessionID)]]
            stages.append(["$match": ["$or": [isOther, ["i": ["$gt": .int64(last.index)]]]]])
        }
        stages.append(["$limit": .int64(Int64(limit) + 1)])
        stages.append(["$set": ["at": Pipeline.created("$feedbacks")]])
        return stages
    }

    private static let anyText: BSON = ["$type": "string"]
}
