internal import FeedbackCore
public import FeedbackModel
import GRDB

extension SQLiteStore {
    /// See ``Store``.
    public func list(
        _ query: FeedbackQuery,
        context: CallContext
    ) async throws -> FeedbackPage {
        let position = query.pageToken.isEmpty ? nil : try tokens.position(in: query)
        return try await database.read(context) { [tokens] db -> FeedbackPage in
            guard let session = try SessionTable.number(filter: query.filter.sessionID, db),
                let list = try FeedbackList(query, session: session, db)
            else { return FeedbackPage() }
            let total = try list.totalSize(db)
            // Without matches, the search for a page would read every row.
            guard total > 0 else { return FeedbackPage() }
            let (feedbacks, last) = try list.page(beyond: position, db)
            let next = last.map { tokens.token(position: $0, query: query) }
            return FeedbackPage(feedbacks: feedbacks, nextPageToken: next ?? "", totalSize: total)
        }
    }
}

/// A query as conditions on `feedback`; its pages are found by the sequence after which they begin.
struct FeedbackList {
    private let query: FeedbackQuery
    private let session: Int64
    /// The sequences that can match the query's time range.
    private let sequences: ClosedRange<Int64>
    /// The conditions on columns other than the sequence.
    private var conditions: [String] = []
    private var arguments: [Argument] = []

    private enum Argument {
        case integer(Int64)
        case text(String)
    }

    /// Makes the conditions of a query; nil if nothing can match.
    init?(_ query: FeedbackQuery, session: Int64, _ db: Database) throws {
        self.query = query
        self.session = session
        if query.filter.created == .always {
            sequences = .min ... .max
        } else {
            let counters = CounterTables(db, session: session)
            guard let touched = try counters.sequences(query.filter.created) else { return nil }
            sequences = touched
        }
        addConditions()
    }

    private mutating func addConditions() {
        if session != SessionTable.everySession {
            conditions.append("session = ?")
            arguments.append(.integer(session))
        }
        if !query.filter.messageID.isEmpty {
            conditions.append("message_id = ?")
            arguments.append(.text(query.filter.messageID))
        }
        if !query.filter.ratings.isEmpty {
            let values = query.filter.ratings.map(\.rawValue).sorted().map(String.init)
            conditions.append("rating IN (\(values.joined(separator: ", ")))")
        }
        if let hasComment = query.filter.hasComment {
            conditions.append(hasComment ? "comment IS NOT NULL" : "comment IS NULL")
        }
        if let from = query.filter.created.from {
            conditions.append("created_at >= ?")
            arguments.append(.integer(from.millisecondsSinceEpoch))
        }
        if let until = query.filter.created.until {
            conditions.append("created_at < ?")
            arguments.append(.integer(until.millisecondsSinceEpoch))
        }
    }

    /// Returns the number of matching rows, on all pages.
    func totalSize(_ db: Database) throws -> Int64 {
        if query.filter.messageID.isEmpty {
            return try CounterTables(db, session: session).total(query.filter.created)
                .total(ratings: query.filter.ratings, hasComment: query.filter.hasComment)
        }
        let row = try select(sql("count(*)"), in: sequences, db)
        return try row.step() ? row.integer(0) : 0
    }

    /// Returns the feedback after the position, and the position of the last one unless the list
    /// ends there.
    func page(beyond position: Int64?, _ db: Database) throws -> ([Feedback], Int64?) {
        guard let sequences = sequences(beyond: position) else { return ([], nil) }
        var row = try select(pageSQL, in: sequences, db)
        // One row more than the page shows whether there is another page.
        try row.bind(Int64(query.pageSize) + 1)
        var feedbacks: [Feedback] = []
        var last: Int64?
        while try row.step() {
            if feedbacks.count == query.pageSize { return (feedbacks, last) }
            feedbacks.append(
                try FeedbackTable.feedback(row, sessionID: query.filter.sessionID ?? row.text(14))
            )
            last = row.integer(0)
        }
        return (feedbacks, nil)
    }

    /// The statement that finds a page; also for tests of its query plan.
    var pageSQL: String {
        sql(pageColumns) + " ORDER BY sequence \(query.newestFirst ? "DESC" : "ASC") LIMIT ?"
    }

    private var pageColumns: String {
        guard session == SessionTable.everySession else { return FeedbackTable.columns }
        return "\(FeedbackTable.columns), \(FeedbackTable.sessionID)"
    }

    private func sequences(beyond position: Int64?) -> ClosedRange<Int64>? {
        guard let position else { return sequences }
        let lower =
            query.newestFirst ? sequences.lowerBound : max(sequences.lowerBound, position + 1)
        let upper =
            query.newestFirst ? min(sequences.upperBound, position - 1) : sequences.upperBound
        return lower <= upper ? lower...upper : nil
    }

    private func sql(_ columns: String) -> String {
        let index =
            !query.filter.messageID.isEmpty
            ? "INDEXED BY feedback_message"
            : session != SessionTable.everySession ? "INDEXED BY feedback_session" : "NOT INDEXED"
        let conditions = (conditions + ["sequence BETWEEN ? AND ?"]).joined(separator: " AND ")
        return "SELECT \(columns) FROM feedback \(index) WHERE \(conditions)"
    }

    private func select(
        _ sql: String,
        in sequences: ClosedRange<Int64>,
        _ db: Database
    ) throws -> PreparedStatement {
        var row = try PreparedStatement(sql, db)
        for argument in arguments {
            switch argument {
            case .integer(let value): try row.bind(value)
            case .text(let value): try row.bind(value)
            }
        }
        try row.bind(sequences.lowerBound)
        try row.bind(sequences.upperBound)
        return row
    }
}
