import FeedbackCore
import FeedbackModel

/// Expressions of aggregation pipelines that accept feedback of any program in the same way as
/// ``FeedbackDocument``.
enum Pipeline {
    /// The feedback of a document; an empty array if it has none.
    static let feedbacks: BSON = ["$cond": [["$isArray": "$feedbacks"], "$feedbacks", []]]

    /// Returns the time of an element's creation, as a date within ``Timestamp/range``; 1970 if
    /// `created_at` is neither a date nor a text that begins with one.
    static func created(_ element: String) -> BSON {
        let field = BSON.string("\(element).created_at")
        let first = BSON.date(Timestamp.range.lowerBound.millisecondsSinceEpoch)
        let last = BSON.date(Timestamp.range.upperBound.millisecondsSinceEpoch)
        func clamped(_ date: BSON) -> BSON { ["$max": [first, ["$min": [date, last]]]] }
        let parsed: BSON = ["$dateFromString": ["dateString": field, "onError": .date(0)]]
        let isDay: BSON = ["$regexMatch": ["input": field, "regex": "^[0-9]{4}-[0-9]{2}-[0-9]{2}"]]
        let read: BSON = ["$cond": [isDay, clamped(parsed), .date(0)]]
        let type: BSON = ["$type": field]
        let ofText: BSON = ["$cond": [["$eq": [type, "string"]], read, .date(0)]]
        return ["$cond": [["$eq": [type, "date"]], clamped(field), ofText]]
    }

    /// Returns an element's comment; an empty text if it has none.
    static func comment(_ element: String) -> BSON {
        let field = BSON.string("\(element).comment")
        return ["$cond": [["$eq": [["$type": field], "string"]], field, ""]]
    }

    static func isRated(_ rating: Rating, _ element: String) -> BSON {
        let field = BSON.string("\(element).rating")
        return switch rating {
        case .up: ["$eq": [field, "up"]]
        case .down: ["$eq": [field, "down"]]
        case .none: ["$not": [["$in": [field, ["up", "down"]]]]]
        }
    }

    /// Returns the conditions for an element to be created within the range.
    static func isCreated(in range: TimeRange, _ element: String) -> [BSON] {
        var conditions: [BSON] = []
        if let from = range.from {
            conditions.append(["$gte": [created(element), .date(from.millisecondsSinceEpoch)]])
        }
        if let until = range.until {
            conditions.append(["$lt": [created(element), .date(until.millisecondsSinceEpoch)]])
        }
        return conditions
    }

    /// Returns the conditions for an element to match the query, apart from its session.
    static func matches(_ query: FeedbackQuery, _ element: String) -> [BSON] {
        var conditions = isCreated(in: query.filter.created, element)
        if !query.filter.ratings.isEmpty, query.filter.ratings.count < Rating.allCases.count {
            let ratings = query.filter.ratings.sorted { $0.rawValue < $1.rawValue }
            conditions.append(["$or": .array(ratings.map { isRated($0, element) })])
        }
        if !query.filter.messageID.isEmpty {
            let wanted: BSON = ["$literal": .string(query.filter.messageID)]
            conditions.append(["$eq": [.string("\(element).message_id"), wanted]])
        }
        if let hasComment = query.filter.hasComment {
            conditions.append([hasComment ? "$ne" : "$eq": [comment(element), ""]])
        }
        return conditions
    }

    /// Returns the stage that selects the documents which may contain matching feedback, through an
    /// index where there is one.
    static func candidates(
        sessionID: String?,
        created: TimeRange,
        messageID: String = ""
    ) -> BSON {
        var filter = BSONDocument()
        filter["_id"] = sessionID.map(BSON.string) ?? ["$type": "string"]
        if sessionID == nil {
            if !messageID.isEmpty { filter["feedbacks.message_id"] = .string(messageID) }
            // Every program that adds feedback sets updated_at to the feedback's time or a later
            // one, perhaps by the clock of another host. A missing date counts as 1970.
            if let from = created.from, from.millisecondsSinceEpoch > 0 {
                let bound = from.millisecondsSinceEpoch - clockDifferenceMax
                filter["updated_at"] = ["$not": ["$lt": .date(bound)]]
            }
        }
        return ["$match": .document(filter)]
    }

    /// The maximum difference between the clocks of the hosts that add to one session, in
    /// milliseconds.
    private static let clockDifferenceMax = Timestamp.dayMilliseconds

    /// The sort key of an unwound element among the feedback of all sessions: its feedback_id,
    /// which ascends in the order of insertion; for an element without one, the first digits of a
    /// feedback_id from the time of its creation.
    static let key: BSON = {
        let id: BSON = "$feedbacks.feedback_id"
        return ["$cond": [["$eq": [["$type": id], "string"]], id, keyOfTime]]
    }()

    /// The twelve hexadecimal digits of the milliseconds, as at the start of a UUIDv7 (RFC 9562,
    /// section 5.7).
    private static let keyOfTime: BSON = {
        let digits = (0..<12).reversed().map { place -> BSON in
            let shifted: BSON = ["$divide": ["$$ms", .int64(1 << Int64(4 * place))]]
            let digit: BSON = ["$toInt": ["$mod": [["$trunc": [shifted]], 16]]]
            return ["$substrBytes": ["0123456789abcdef", digit, 1]]
        }
        let text: BSON = ["$concat": .array(digits[..<8] + ["-"] + digits[8...])]
        let milliseconds: BSON = ["$max": [0, ["$toLong": created("$feedbacks")]]]
        return ["$let": ["vars": ["ms": milliseconds], "in": text]]
    }()
}
