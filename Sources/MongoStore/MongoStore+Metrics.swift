internal import FeedbackCore
public import FeedbackModel

extension MongoStore {
    /// See ``Store``.
    public func metrics(
        _ query: MetricsQuery,
        context: CallContext
    ) async throws -> MetricsReport {
        try await read(context) { sessions in
            var builder = MetricsReportBuilder(context)
            try sessions.aggregate(MetricsPipeline.stages(query)) { row, _ in
                let key = try MetricsPipeline.key(row, query.grouping)
                try builder.add(MetricsPipeline.metrics(row), to: key)
                return true
            }
            return builder.report
        }
    }
}

/// A pipeline that counts feedback on the server and returns one row for each group.
private enum MetricsPipeline {
    static func stages(_ query: MetricsQuery) -> [BSON] {
        var stages = [
            Pipeline.candidates(sessionID: query.sessionID, created: query.created),
            ["$match": ["feedbacks": ["$type": "array"]]],
            ["$unwind": "$feedbacks"],
        ]
        let conditions = Pipeline.isCreated(in: query.created, "$feedbacks")
        if !conditions.isEmpty {
            stages.append(["$match": ["$expr": ["$and": .array(conditions)]]])
        }
        stages.append([
            "$group": [
                "_id": group(query.grouping),
                "total": ["$sum": 1],
                "up": count(.up),
                "down": count(.down),
                "length": ["$sum": ["$strLenCP": Pipeline.comment("$feedbacks")]],
            ]
        ])
        return stages
    }

    static func metrics(_ row: BSONDocument) -> Metrics {
        let positive = row["up"]?.integer ?? 0
        let negative = row["down"]?.integer ?? 0
        return Metrics(
            positive: positive,
            negative: negative,
            neutral: (row["total"]?.integer ?? 0) - positive - negative,
            commentCodePoints: row["length"]?.integer ?? 0
        )
    }

    /// Returns the key of the row's group; nil without grouping.
    static func key(_ row: BSONDocument, _ grouping: MetricsGrouping) throws -> String? {
        guard let group = row["_id"]?.document else { return nil }
        let value = group["value"]
        switch grouping {
        case .none: return nil
        case .session: return value?.string ?? ""
        case .metadata:
            let isMissing = group["kind"]?.string == "missing"
            return MetadataJSON.groupKey(isMissing ? nil : value.flatMap(MetadataValue.init))
        case .hour: return moment(value).hour
        case .day: return moment(value).day
        }
    }

    private static func count(_ rating: Rating) -> BSON {
        ["$sum": ["$cond": [Pipeline.isRated(rating, "$feedbacks"), 1, 0]]]
    }

    /// Returns the expression of the group key: a document, since null means no group.
    private static func group(_ grouping: MetricsGrouping) -> BSON {
        switch grouping {
        case .none: nil
        case .session: ["value": "$_id"]
        case .metadata(let key): metadata(.string("$metadata.\(key)"))
        case .hour: ["value": beginning(Timestamp.hourMilliseconds)]
        case .day: ["value": beginning(Timestamp.dayMilliseconds)]
        }
    }

    /// Returns the value and its type, since the server puts missing values and null, and 0 and -0,
    /// into the same group.
    private static func metadata(_ value: BSON) -> BSON {
        let type: BSON = ["$type": value]
        let kind: BSON = ["$cond": [["$eq": [type, "double"]], ["$toString": value], type]]
        return ["value": value, "kind": kind]
    }

    /// Returns the start of the hour or day in which the element was created, in milliseconds since
    /// 1970.
    private static func beginning(_ milliseconds: Int64) -> BSON {
        let created: BSON = ["$toLong": Pipeline.created("$feedbacks")]
        let number: BSON = ["$floor": ["$divide": [created, .int64(milliseconds)]]]
        return ["$toLong": ["$multiply": [number, .int64(milliseconds)]]]
    }

    private static func moment(_ value: BSON?) -> Timestamp {
        Timestamp(millisecondsSinceEpoch: value?.integer ?? 0)
    }
}
