internal import FeedbackCore
public import FeedbackModel

extension MongoStore {
    /// See ``Store``.
    public func list(
        _ query: FeedbackQuery,
        context: CallContext
    ) async throws -> FeedbackPage {
        guard let sessionID = query.filter.sessionID else {
            let position = try query.pageToken.isEmpty ? nil : ListPosition(query, tokens)
            return try await read(context) { [tokens] sessions in
                try EverySessionList(query, tokens).page(beyond: position, sessions)
            }
        }
        let position = query.pageToken.isEmpty ? nil : try tokens.position(in: query)
        return try await read(context) { [tokens] sessions in
            try SessionList(sessionID, query, tokens).page(beyond: position, sessions)
        }
    }
}

/// A page that is being filled, up to the requested length or the size of a message.
struct FillingPage<Position> {
    private(set) var feedbacks: [Feedback] = []
    private(set) var last: Position?
    /// True if there is feedback after the page.
    private(set) var isCut = false
    private let lengthMax: Int
    private var bytes = 0

    init(lengthMax: Int) {
        self.lengthMax = lengthMax
    }

    /// Adds a feedback if it fits; returns false if the page is full.
    mutating func add(_ feedback: Feedback, at position: Position, bytes: Int) -> Bool {
        self.bytes += bytes
        isCut =
            feedbacks.count == lengthMax
            || (!feedbacks.isEmpty && self.bytes > FieldLimits.pageBytesMax)
        if isCut { return false }
        feedbacks.append(feedback)
        last = position
        return true
    }
}

/// A list of one session, in the order of its array, whose positions are the array's indexes.
private struct SessionList {
    private let sessionID: String
    private let query: FeedbackQuery
    private let tokens: PageTokenCodec

    init(_ sessionID: String, _ query: FeedbackQuery, _ tokens: PageTokenCodec) {
        self.sessionID = sessionID
        self.query = query
        self.tokens = tokens
    }

    func page(beyond position: Int64?, _ sessions: ReadableSessions) throws -> FeedbackPage {
        var page = FillingPage<Int64>(lengthMax: query.pageSize)
        var total: Int64 = 0
        try sessions.aggregate(pipeline(beyond: position)) { row, bytes in
            total = row["total"]?.integer ?? 0
            guard let place = row["page"]?.document, let index = place["i"]?.integer else {
                return true
            }
            let feedback = FeedbackDocument.feedback(
                place["f"]?.document ?? BSONDocument(),
                sessionID: sessionID,
                createdAt: place["at"]
            )
            return page.add(feedback, at: index, bytes: bytes)
        }
        let next = page.isCut ? page.last.map { tokens.token(position: $0, query: query) } : nil
        return FeedbackPage(
            feedbacks: page.feedbacks,
            nextPageToken: next ?? "",
            totalSize: total
        )
    }

    /// Returns a pipeline with one row for each feedback of the page, each with the total; an empty
    /// page has one row without feedback.
    private func pipeline(beyond position: Int64?) -> [BSON] {
        let everyIndex: BSON = ["$range": [0, ["$size": "$feedbacks"]]]
        let element: BSON = ["$arrayElemAt": ["$feedbacks", "$$this"]]
        let conditions = Pipeline.matches(query, "$$element")
        func withElement(_ body: BSON) -> BSON {
            ["$let": ["vars": ["element": element], "in": body]]
        }
        let isWanted = withElement(["$and": .array(conditions)])
        let matching: BSON =
            conditions.isEmpty
            ? everyIndex : ["$filter": ["input": everyIndex, "cond": isWanted]]
        var beyond: BSON = "$matching"
        if let position {
            let isBeyond: BSON = [
                query.newestFirst ? "$lt" : "$gt": ["$$this", .int64(position)]
            ]
            beyond = ["$filter": ["input": beyond, "cond": isBeyond]]
        }
        if query.newestFirst { beyond = ["$reverseArray": beyond] }
        let indexes: BSON = ["$slice": [beyond, .int64(Int64(query.pageSize) + 1)]]
        let row = withElement([
            "i": "$$this", "f": "$$element", "at": Pipeline.created("$$element"),
        ])
        let rows: BSON = ["$map": ["input": indexes, "in": row]]
        return [
            Pipeline.candidates(sessionID: sessionID, created: .always),
            ["$project": ["feedbacks": Pipeline.feedbacks]],
            ["$set": ["matching": matching]],
            ["$project": ["total": ["$size": "$matching"], "page": rows]],
            ["$unwind": ["path": "$page", "preserveNullAndEmptyArrays": true]],
        ]
    }
}

/// The position of a feedback in a list of all sessions.
private struct ListPosition {
    /// The sort key, ``Pipeline/key``; feedback of other programs may have equal keys.
    let key: String
    let sessionID: String
    let index: Int64

    init(key: String, sessionID: String, index: Int64) {
        self.key = key
        self.sessionID = sessionID
        self.index = index
    }

    /// Reads the position in the query's token.
    ///
    /// - Throws: INVALID_ARGUMENT if the token was not made for the query.
    init(_ query: FeedbackQuery, _ tokens: PageTokenCodec) throws(CallError) {
        let content = try tokens.content(in: query)
        guard content.count >= 8 + 2 else {
            throw .invalid("page_token", "must be a next_page_token")
        }
        index = content[..<8].reduce(0) { $0 << 8 | Int64($1) }
        let keyBytes = Int(content[8]) << 8 | Int(content[9])
        key = String(decoding: content.dropFirst(10).prefix(keyBytes), as: UTF8.self)
        sessionID = String(decoding: content.dropFirst(10 + keyBytes), as: UTF8.self)
    }

    func token(_ query: FeedbackQuery, _ tokens: PageTokenCodec) -> String {
        var content = withUnsafeBytes(of: index.bigEndian) { Array($0) }
        let keyBytes = UInt16(clamping: key.utf8.count)
        content += [UInt8(keyBytes >> 8), UInt8(keyBytes & 0xFF)]
        content += Array(key.utf8.prefix(Int(keyBytes))) + Array(sessionID.utf8)
        return tokens.token(content: content, query: query)
    }

    /// Returns the condition that a row is after the position.
    func beyond(_ comparison: String) -> BSON {
        let key = BSON.string(key)
        let sessionID = BSON.string(sessionID)
        return [
            "$or": [
                ["k": [comparison: key]],
                ["k": key, "_id": [comparison: sessionID]],
                ["k": key, "_id": sessionID, "i": [comparison: .int64(index)]],
            ]
        ]
    }
}

/// A list of all sessions, in the order of ``Pipeline/key``.
private struct EverySessionList {
    private let query: FeedbackQuery
    private let tokens: PageTokenCodec
    private let candidates: BSON

    init(_ query: FeedbackQuery, _ tokens: PageTokenCodec) {
        self.query = query
        self.tokens = tokens
        candidates = Pipeline.candidates(
            sessionID: nil,
            created: query.filter.created,
            messageID: query.filter.messageID
        )
    }

    func page(beyond position: ListPosition?, _ sessions: ReadableSessions) throws -> FeedbackPage {
        var page = FillingPage<ListPosition>(lengthMax: query.pageSize)
        try sessions.aggregate(pipeline(beyond: position)) { row, bytes in
            guard let name = row["_id"]?.string, let index = row["i"]?.integer else { return true }
            let element = row["feedbacks"]?.document ?? BSONDocument()
            return page.add(
                FeedbackDocument.feedback(element, sessionID: name, createdAt: row["at"]),
                at: ListPosition(key: row["k"]?.string ?? "", sessionID: name, index: index),
                bytes: bytes
            )
        }
        let next = page.isCut ? page.last?.token(query, tokens) : nil
        let isWhole = position == nil && !page.isCut
        return FeedbackPage(
            feedbacks: page.feedbacks,
            nextPageToken: next ?? "",
            totalSize: isWhole ? Int64(page.feedbacks.count) : try totalSize(sessions)
        )
    }

    private func pipeline(beyond position: ListPosition?) -> [BSON] {
        let conditions = Pipeline.matches(query, "$feedbacks")
        let order: BSON = query.newestFirst ? -1 : 1
        var stages = [
            candidates,
            ["$project": ["feedbacks": Pipeline.feedbacks]],
            ["$unwind": ["path": "$feedbacks", "includeArrayIndex": "i"]],
        ]
        if !conditions.isEmpty {
            stages.append(["$match": ["$expr": ["$and": .array(conditions)]]])
        }
        stages.append(["$set": ["k": Pipeline.key]])
        if let position {
            stages.append(["$match": position.beyond(query.newestFirst ? "$lt" : "$gt")])
        }
        stages.append(["$sort": ["k": order, "_id": order, "i": order]])
        stages.append(["$limit": .int64(Int64(query.pageSize) + 1)])
        stages.append(["$set": ["at": Pipeline.created("$feedbacks")]])
        return stages
    }

    private func totalSize(_ sessions: ReadableSessions) throws -> Int64 {
        let conditions = Pipeline.matches(query, "$$this")
        let matching: BSON =
            conditions.isEmpty
            ? Pipeline.feedbacks
            : ["$filter": ["input": Pipeline.feedbacks, "cond": ["$and": .array(conditions)]]]
        let pipeline: [BSON] = [
            candidates,
            ["$group": ["_id": nil, "total": ["$sum": ["$size": matching]]]],
        ]
        var total: Int64 = 0
        try sessions.aggregate(pipeline) { row, _ in
            total = row["total"]?.integer ?? 0
            return true
        }
        return total
    }
}
