import FeedbackCore
import FeedbackModel
import MongoServers
import TestSupport
import Testing

@testable import MongoStore

/// The index is created when the server answers; the store works without it.
struct IndexTests {
    private let database = SharedServer.newDatabase()

    private func sessions() async throws -> Sessions {
        try Sessions(await SharedServer.uri(), database: database)
    }

    @Test func the_index_is_made_once_the_server_answers() async throws {
        let store = try await TestStore.open(database: database)
        _ = try await store.add(FeedbackDraft(sessionID: "s"))
        let sessions = try await sessions()
        #expect(
            try await eventually {
                try sessions.indexNames() == ["_id_", "feedbackd_updated_at"]
            }
        )
        await store.close()
    }

    /// Another index has the same name already.
    @Test func that_it_cannot_be_made_is_a_warning_and_everything_works() async throws {
        let sessions = try await sessions()
        try sessions.run([
            "createIndexes": "sessions",
            "indexes": [["name": "feedbackd_updated_at", "key": ["other": 1]]],
        ])
        let lines = LogLines()
        let store = try await TestStore.open(database: database, logger: lines.logger)
        #expect(
            await eventually {
                lines.all.contains { $0.hasPrefix("warning the index could not be made") }
            }
        )
        #expect(await store.health() == .serving)
        let added = try await store.add(FeedbackDraft(sessionID: "s")).feedback
        let recent = TimeRange(from: added.createdAt)
        #expect(try await store.all(FeedbackQuery(created: recent)) == [added])
        #expect(try await store.metrics(MetricsQuery(created: recent)).metrics.total == 1)
        #expect(try sessions.indexNames() == ["_id_", "feedbackd_updated_at"])
        await store.close()
    }
}
