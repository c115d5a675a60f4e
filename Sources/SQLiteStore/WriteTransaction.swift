import FeedbackCore
import FeedbackModel
import GRDB
import Synchronization

/// A write in the queue.
enum StoreWrite: Sendable {
    case change(AcceptedChange)
    /// Changes rows that are neither feedback nor counted: of cursors, deliveries and intents.
    case changeRows(@Sendable (Database) throws -> Void)
    /// Moves a feedback from the intents of a journal to the log, or drops it.
    case settle(FeedbackID, isStored: Bool)
}

/// The outcome of a committed write.
enum StoreOutcome: Sendable {
    case changed(ChangeOutcome)
    case noted
}

/// The queue of the writer.
typealias StoreWrites = CommitQueue<StoreWrite, StoreOutcome>

extension StoreWrites {
    /// Changes rows in a transaction, which other writes may share, and returns the body's value.
    func changeRows<T: Sendable>(
        _ change: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        let result = Mutex<T?>(nil)
        let write = StoreWrite.changeRows { db in
            let value = try change(db)
            result.withLock { $0 = value }
        }
        _ = try await submit(write, context: CallContext())
        return try result.withLock { value in
            guard let value else { throw CallError(.internal, "a committed write did not run") }
            return value
        }
    }
}

/// The writes of one transaction.
///
/// A write that is refused (session does not exist, metadata too large) has not changed anything;
/// an error of SQLite fails the whole transaction.
struct WriteTransaction: ~Copyable {
    private let db: Database
    private let numbers: ChangeNumbers
    private var counters = CounterChanges()
    private var sessionSearch: PreparedStatement
    private var insertion: PreparedStatement

    private init(
        _ db: Database,
        _ numbers: ChangeNumbers,
        sessionSearch: consuming PreparedStatement,
        insertion: consuming PreparedStatement
    ) {
        self.db = db
        self.numbers = numbers
        self.sessionSearch = sessionSearch
        self.insertion = insertion
    }

    /// Writes and commits the batch; returns one result for each write, in the same order.
    static func commit(
        _ writes: [StoreWrite],
        to database: SQLiteDatabase
    ) -> [CommitResult<StoreOutcome>] {
        do {
            return try database.write(of: writes.count) { db in
                var transaction = WriteTransaction(
                    db,
                    database.numbers,
                    sessionSearch: try SessionTable.numberSearch(db),
                    insertion: try FeedbackTable.insertion(db)
                )
                var results: [CommitResult<StoreOutcome>] = []
                results.reserveCapacity(writes.count)
                for write in writes { results.append(try transaction.apply(write)) }
                try transaction.counters.write(to: db)
                return results
            }
        } catch {
            return writes.map { _ in .refused(error) }
        }
    }

    private mutating func apply(_ write: StoreWrite) throws -> CommitResult<StoreOutcome> {
        do {
            switch write {
            case .change(let change): return .done(.changed(try apply(change)))
            case .changeRows(let change):
                try change(db)
                return .done(.noted)
            case .settle(let id, let isStored):
                if let feedback = try IntentTable.take(id, db), isStored { try confirm(feedback) }
                return .done(.noted)
            }
        } catch let refusal as CallError {
            return .refused(refusal)
        }
    }

    private mutating func apply(_ change: AcceptedChange) throws -> ChangeOutcome {
        switch change.change {
        case .add(let draft): .added(try add(draft, by: change))
        case .changeMetadata(let sessionID, let by):
            .metadata(try changeMetadata(sessionID, by, change.missingSession))
        }
    }

    private mutating func add(
        _ draft: FeedbackDraft,
        by change: AcceptedChange
    ) throws -> AddedFeedback {
        let feedback = Feedback(
            id: change.feedbackID,
            draft: draft,
            createdAt: change.acceptedAt
        )
        let sessionID = draft.sessionID
        let session: Int64
        if let number = try SessionTable.number(sessionID, by: &sessionSearch) {
            session = number
        } else {
            guard change.missingSession == .create else { throw CallError.unknownSession }
            session = try SessionTable.insert(sessionID, db)
        }
        let sequence = numbers.next()
        if try FeedbackTable.insert(
            feedback,
            sequence: sequence,
            session: session,
            by: &insertion,
            db
        ) {
            counters.count(feedback, session: session, sequence: sequence)
            return AddedFeedback(feedback: feedback, replayed: false)
        }
        numbers.giveBack()
        let original = try FeedbackTable.find(
            requestID: feedback.draft.requestID,
            session: session,
            sessionID: sessionID,
            db
        )
        guard let original else {
            throw CallError(.internal, "a repeated request_id has no original")
        }
        return AddedFeedback(feedback: original, replayed: true)
    }

    /// Inserts a feedback that another store has.
    private mutating func confirm(_ feedback: Feedback) throws {
        var feedback = feedback
        let session =
            try SessionTable.number(feedback.sessionID, by: &sessionSearch)
            ?? SessionTable.insert(feedback.sessionID, db)
        let sequence = numbers.next()
        func insert() throws -> Bool {
            try FeedbackTable.insert(
                feedback,
                sequence: sequence,
                session: session,
                by: &insertion,
                db
            )
        }
        if try !insert() {
            // The other store has lost the former feedback with this request_id.
            feedback.draft.requestID = ""
            guard try insert() else {
                throw CallError(.internal, "a feedback without a request_id was not inserted")
            }
        }
        counters.count(feedback, session: session, sequence: sequence)
    }

    private mutating func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        _ missingSession: MissingSessionPolicy
    ) throws -> Metadata {
        let session = try SessionTable.number(sessionID, by: &sessionSearch)
        if session == nil, missingSession == .reject { throw CallError.unknownSession }
        let before = try SessionTable.metadata(sessionID, db).map(MetadataJSON.decode) ?? [:]
        let metadata = change.applied(to: before)
        // An error fails only this write, not the others of the batch.
        let json = try MetadataJSON.encode(metadata)
        if let session {
            try SessionTable.setMetadata(session, json, changed: numbers.next(), db)
        } else {
            let session = try SessionTable.insert(sessionID, db)
            try SessionTable.setMetadata(session, json, changed: numbers.next(), db)
        }
        return metadata
    }
}
