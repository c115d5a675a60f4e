import FeedbackCore
import FeedbackModel
import Foundation

@testable import MongoStore

/// The collection `sessions` of a database as another program sees it.
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

    /// Carries out an update of the session's document, as the guide's Python package does.
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
    /// Commits drafts as one batch, with identifiers made here.
    func commit(
        _ drafts: [FeedbackDraft],
        missingSession: MissingSessionPolicy = .create,
        bulkBytesMax: Int = 8 << 20,
        context: (FeedbackDraft) -> CallContext = { _ in CallContext() }
    ) -> [Result<AddedFeedback, any Error>] {
        let appends = drafts.map { draft in
            Append(
                feedback: Feedback(
                    id: FeedbackID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
                    draft: draft,
                    createdAt: .now
                ),
                missingSession: missingSession,
                context: context(draft),
                arrivedAt: .now
            )
        }
        return AppendBatch.commit(appends, to: self, bulkBytesMax: bulkBytesMax)
    }
}

/// The code of a failure; nil for what is stored.
func code(of result: Result<AddedFeedback, any Error>) -> FeedbackError.Code? {
    guard case .failure(let error) = result else { return nil }
    return (error as? FeedbackError)?.code
}

extension Store {
    /// Adds through a service, which makes identifiers and times.
    func add(
        _ draft: FeedbackDraft,
        missingSession: MissingSessionPolicy = .create
    ) async throws -> AddedFeedback {
        try await FeedbackService(store: self, missingSession: missingSession).add(draft)
    }

    /// All feedback of the query, page by page.
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
    /// How often the text's bytes occur, one behind the other.
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
