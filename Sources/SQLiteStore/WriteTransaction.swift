import FeedbackCore
import FeedbackModel
import GRDB

/// A write that waits for its transaction.
enum StoreWrite: Sendable {
    case append(Feedback, [AlertRule], MissingSessionPolicy)
    case changeMetadata(String, MetadataChange, MissingSessionPolicy)
    case changeAlerts(@Sendable (AlertTable) throws -> Void)
}

/// What a committed write led to.
enum StoreOutcome: Sendable {
    case added(AddedFeedback)
    case metadata(Metadata)
    case alertsChanged
}

/// The writer's queue.
typealias StoreWrites = GroupCommit<StoreWrite, StoreOutcome>

/// The writes of one transaction.
///
/// A write that is refused (unknown session, metadata too large) is so before it has changed
/// anything; an error of SQLite's fails the transaction as a whole.
struct WriteTransaction: ~Copyable {
    private let db: Database
    private var counters = CounterChanges()
    /// What the counter tables say, as far as it was asked for.
    private var storedTotals: [Int64: Tally] = [:]
    private var sessionSearch: PreparedStatement
    private var insertion: PreparedStatement
    /// Made for the first alert.
    private var alerts: UntriedAlertInsertion?
    /// Made when a total is first asked for.
    private var totalSearch: PreparedStatement?

    private init(
        _ db: Database,
        sessionSearch: consuming PreparedStatement,
        insertion: consuming PreparedStatement
    ) {
        self.db = db
        self.sessionSearch = sessionSearch
        self.insertion = insertion
    }

    /// Writes and commits the batch; one result per write, in order.
    static func commit(
        _ writes: [StoreWrite],
        to database: SQLiteDatabase
    ) -> [Result<StoreOutcome, any Error>] {
        do {
            return try database.write { db in
                var transaction = WriteTransaction(
                    db,
                    sessionSearch: try SessionTable.numberSearch(db),
                    insertion: try FeedbackTable.insertion(db)
                )
                var results: [Result<StoreOutcome, any Error>] = []
                results.reserveCapacity(writes.count)
                for write in writes { results.append(try transaction.apply(write)) }
                try transaction.endAlerts()
                try transaction.counters.write(to: db)
                return results
            }
        } catch {
            return writes.map { _ in .failure(error) }
        }
    }

    private mutating func apply(_ write: StoreWrite) throws -> Result<StoreOutcome, any Error> {
        do {
            switch write {
            case .append(let feedback, let rules, let policy):
                return .success(.added(try append(feedback, rules, policy)))
            case .changeMetadata(let sessionID, let change, let policy):
                return .success(.metadata(try changeMetadata(sessionID, change, policy)))
            case .changeAlerts(let change):
                try endAlerts()
                try change(AlertTable(db))
                return .success(.alertsChanged)
            }
        } catch let refusal as FeedbackError {
            return .failure(refusal)
        }
    }

    private mutating func append(
        _ feedback: Feedback,
        _ rules: [AlertRule],
        _ missingSession: MissingSessionPolicy
    ) throws -> AddedFeedback {
        let sessionID = feedback.sessionID
        let session: Int64
        if let number = try SessionTable.number(sessionID, by: &sessionSearch) {
            session = number
        } else {
            guard missingSession == .create else { throw FeedbackError.unknownSession }
            session = try SessionTable.insert(sessionID, db)
        }
        if let sequence = try FeedbackTable.insert(
            feedback,
            session: session,
            by: &insertion,
            db
        ) {
            counters.count(feedback, session: session, sequence: sequence)
            for rule in rules where rule.ratings.contains(feedback.rating) {
                try queueAlert(of: rule, about: feedback, sequence, session)
            }
            return AddedFeedback(feedback: feedback, replayed: false)
        }
        let original = try FeedbackTable.find(
            requestID: feedback.draft.requestID,
            session: session,
            sessionID: sessionID,
            db
        )
        guard let original else {
            throw FeedbackError(.internal, "a repeated request_id has no original")
        }
        return AddedFeedback(feedback: original, replayed: true)
    }

    /// Queues an alert about the feedback just inserted if the rule says so.
    private mutating func queueAlert(
        of rule: AlertRule,
        about feedback: Feedback,
        _ sequence: Int64,
        _ session: Int64
    ) throws {
        let history: [Rating] =
            switch rule.condition {
            case .every: []
            case .inARow:
                try FeedbackTable.newestRatings(rule.historyLength, ofSession: session, db)
            case .share: try FeedbackTable.newestRatings(rule.historyLength, db)
            }
        // Without an id it could not be named.
        guard feedback.id != nil, rule.isMet(by: history) else { return }
        let sessionCount = try count(rule.ratings, ofSession: session)
        let totalCount = try count(rule.ratings, ofSession: SessionTable.everySession)
        if alerts == nil { alerts = try UntriedAlertInsertion.begin(db) }
        try alerts?.insert(
            rule: rule.name,
            sequence: sequence,
            sessionCount: sessionCount,
            totalCount: totalCount
        )
    }

    private mutating func endAlerts() throws {
        if let alerts = alerts.take() { try alerts.end() }
    }

    /// What the counter tables will say when this transaction is written.
    private mutating func count(_ ratings: Set<Rating>, ofSession session: Int64) throws -> Int64 {
        var tally = try storedTotals[session] ?? storedTotal(ofSession: session)
        storedTotals[session] = tally
        tally.add(counters.tally(ofSession: session))
        return tally.total(ratings: ratings, hasComment: nil)
    }

    private mutating func storedTotal(ofSession session: Int64) throws -> Tally {
        var search = try totalSearch.take() ?? CounterTables.totalSearch(db)
        let total = try CounterTables.total(ofSession: session, by: &search)
        totalSearch = consume search
        return total
    }

    private mutating func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        _ missingSession: MissingSessionPolicy
    ) throws -> Metadata {
        let session = try SessionTable.number(sessionID, by: &sessionSearch)
        if session == nil, missingSession == .reject { throw FeedbackError.unknownSession }
        let before = try SessionTable.metadata(sessionID, db).map(MetadataJSON.decode) ?? [:]
        let metadata = change.applied(to: before)
        let json = try encoded(metadata)
        if let session {
            try SessionTable.setMetadata(session, json, db)
        } else {
            _ = try SessionTable.insert(sessionID, metadata: json, db)
        }
        return metadata
    }

    /// Whatever is wrong with one write's metadata must not fail its neighbours.
    private func encoded(_ metadata: Metadata) throws(FeedbackError) -> String {
        do {
            return try MetadataJSON.encode(metadata)
        } catch {
            throw error as? FeedbackError
                ?? FeedbackError(.internal, "the metadata cannot be written as JSON", cause: error)
        }
    }
}
