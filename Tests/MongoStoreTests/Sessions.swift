import FeedbackCore
import FeedbackModel
import Foundation

@testable import MongoStore

/// The collection `sessions` of a database, as another program accesses it.
struct Sessions {
    private let sessions: SessionCollection

    init(_ uri: String, database: String) throws {
        sessions = SessionCollection(
            pool: try ClientPool(MongoURI(uri), clientsMax: 1),
            name: try CollectionName(database: database, collection: "sessions")
        )
    }

    /// Runs a command on the database.
    func run(_ command: BSONDocument) throws {
        try sessions.use(for: .writing) { _ = try $0.write(command) }
    }

    func insert(_ document: BSONDocument) throws {
        try run(["insert": "sessions", "documents": [.document(document)]])
    }

    /// Runs an update of the session's document, as the Python library feedback-system does.
    func update(_ sessionID: String, _ update: BSON) throws {
        try run([
            "update": "sessions", "updates": [["q": ["_id": .string(sessionID)], "u": update]],
        ])
    }

    func document(_ sessionID: String) throws -> BSONDocument? {
        var found: BSONDocument?
        try sessions.use(for: .reading) { collection in
            try collection.aggregate([["$match": ["_id": .string(sessionID)]]]) { document, _ in
                found = document
                return true
            }
        }
        return found
    }

    func indexNames() throws -> [String] {
        let reply = try sessions.pool.withClient {
            try $0.run(["listIndexes": "sessions"], database: sessions.name.database)
        }
        let batch = reply["cursor"]?.document?["firstBatch"]?.array ?? []
        return batch.compactMap { $0.document?["name"]?.string }
    }
}

extension SessionCollection {
    /// Attempts once to commit drafts as one batch, with identifiers made by the test.
    func attempt(
        _ drafts: [FeedbackDraft],
        missingSession: MissingSessionPolicy = .create,
        bulkBytesMax: Int = 8 << 20
    ) -> [CommitResult<ChangeOutcome>] {
        let appends = drafts.map { Append($0, missingSession) }
        return AppendBatch.commit(appends, to: self, bulkBytesMax: bulkBytesMax)
    }

    /// Commits drafts as one batch, and repeats undecided ones, as the queue does.
    func commit(
        _ drafts: [FeedbackDraft],
        missingSession: MissingSessionPolicy = .create,
        bulkBytesMax: Int = 8 << 20,
        timeout: Duration = MongoStoreLimits.repetitionTimeout
    ) -> [Result<AddedFeedback, any Error>] {
        let appends = drafts.map { Append($0, missingSession) }
        var results: [Result<AddedFeedback, any Error>?] = appends.map { _ in nil }
        var open = Array(appends.indices)
        let giveUpAt = ContinuousClock.now + timeout
        while !open.isEmpty {
            let batch = open.map { appends[$0] }
            let attempts = AppendBatch.commit(batch, to: self, bulkBytesMax: bulkBytesMax)
            var undecided: [Int] = []
            for (index, result) in zip(open, attempts) {
                switch result {
                case .done(let outcome): results[index] = Result { try outcome.added() }
                case .refused(let error): results[index] = .failure(error)
                case .undecided(let error):
                    results[index] = .failure(error)
                    undecided.append(index)
                }
            }
            open = .now < giveUpAt ? undecided : []
            if !open.isEmpty { usleep(5_000) }
        }
        return results.compactMap { $0 }
    }
}

extension Append {
    fileprivate convenience init(
        _ draft: FeedbackDraft,
        _ missingSession: MissingSessionPolicy
    ) {
        let id = FeedbackID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
        self.init(
            feedback: Feedback(id: id, draft: draft, createdAt: .now),
            missingSession: missingSession
        )
    }
}

/// Returns the code of a failure; nil for a success.
func code(of result: Result<AddedFeedback, any Error>) -> CallError.Code? {
    guard case .failure(let error) = result else { return nil }
    return (error as? CallError)?.code
}

extension Store {
    /// Adds a draft through a service, which assigns the identifier and the time.
    func add(
        _ draft: FeedbackDraft,
        missingSession: MissingSessionPolicy = .create
    ) async throws -> AddedFeedback {
        try await FeedbackService(store: self, missingSession: missingSession).add(draft)
    }

    /// Adds a feedback that has its identifier and its time.
    @discardableResult
    func add(_ feedback: Feedback) async throws -> AddedFeedback {
        let change = AcceptedChange(
            .add(feedback.draft),
            feedbackID: feedback.id ?? FeedbackID(high: 0, low: 0),
            acceptedAt: feedback.createdAt
        )
        return try await commit(change, context: CallContext()).added()
    }

    @discardableResult
    func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy = .create
    ) async throws -> Metadata {
        let change = AcceptedChange(
            .changeMetadata(sessionID: sessionID, change),
            feedbackID: FeedbackID(high: 0, low: 0),
            acceptedAt: .now,
            missingSession: missingSession
        )
        return try await commit(change, context: CallContext()).metadata()
    }

    /// Returns all feedback of the query, fetched page by page.
    func all(_ query: FeedbackQuery = FeedbackQuery()) async throws -> [Feedback] {
        var query = query
        query.pageSize = FieldLimits.pageSizeMax
        var feedbacks: [Feedback] = []
        repeat {
            let page = try await list(query, context: CallContext())
            feedbacks += page.feedbacks
            query.pageToken = page.nextPageToken
        } while !query.pageToken.isEmpty
        return feedbacks
    }
}

extension Data {
    /// Returns the number of non-overlapping occurrences of the text's bytes.
    func count(of text: String) -> Int {
        let part = Data(text.utf8)
        var count = 0
        var rest = self[...]
        while let found = rest.range(of: part) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
