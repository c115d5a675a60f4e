import FeedbackCore
import FeedbackModel
import MongoServers
import StoreContract
import Synchronization
import TestSupport
import Testing

@testable import MongoStore

/// The outcomes of the adds of one bulk write.
struct AppendBatchTests {
    private let database = SharedServer.newDatabase()

    /// Commits drafts as one batch, with identifiers made by the test.
    private func commit(
        _ drafts: [FeedbackDraft],
        missingSession: MissingSessionPolicy = .create,
        bulkBytesMax: Int = 8 << 20,
        uri: String? = nil
    ) async throws -> [Result<AddedFeedback, any Error>] {
        try await collection(uri).commit(
            drafts,
            missingSession: missingSession,
            bulkBytesMax: bulkBytesMax
        )
    }

    /// Returns the tests' collection, on their server or on another one.
    private func collection(_ uri: String? = nil) async throws -> SessionCollection {
        let shared = try await SharedServer.uri()
        return SessionCollection(
            pool: try ClientPool(MongoURI(uri ?? shared), clientsMax: 1),
            name: try CollectionName(database: database, collection: "sessions")
        )
    }

    @Test func new_repeated_and_known_request_ids_of_one_batch_each_get_their_answer() async throws
    {
        func draft(_ session: String, _ requestID: String, _ comment: String) -> FeedbackDraft {
            FeedbackDraft(sessionID: session, comment: comment, requestID: requestID)
        }
        let first = try await commit([draft("a", "1", "x"), draft("b", "1", "x")])
        #expect(try first.allSatisfy { try !$0.get().replayed })
        let second = try await commit([
            draft("a", "2", "new"), draft("a", "1", "known"), draft("a", "2", "again"),
            draft("b", "2", "new"), draft("c", "1", "new"), draft("c", "1", "again"),
        ]).map { try $0.get() }
        #expect(second.map(\.replayed) == [false, true, true, false, false, true])
        #expect(second.map(\.feedback.comment) == ["new", "x", "new", "new", "new", "new"])
        let store = try await TestStore.open(database: database)
        #expect(try await store.all(FeedbackQuery(sessionID: "a")).count == 2)
        #expect(try await store.metrics(MetricsQuery(), context: CallContext()).metrics.total == 5)
        await store.close()
    }

    @Test func unknown_sessions_are_refused_and_their_neighbours_are_not() async throws {
        _ = try await commit([FeedbackDraft(sessionID: "known", requestID: "1")])
        let results = try await commit(
            [
                FeedbackDraft(sessionID: "unknown", requestID: "1"),
                FeedbackDraft(sessionID: "known", requestID: "2"),
                FeedbackDraft(sessionID: "known", requestID: "1"),
            ],
            missingSession: .reject
        )
        #expect(code(of: results[0]) == .notFound)
        #expect(try !results[1].get().replayed)
        #expect(try results[2].get().replayed)
    }

    @Test func a_batch_larger_than_a_bulk_write_keeps_each_sessions_order() async throws {
        let drafts = (0..<60).map { index in
            FeedbackDraft(
                sessionID: "s\(index % 2)",
                comment: "\(index)" + String(repeating: " ", count: 1_000)
            )
        }
        let results = try await commit(drafts, bulkBytesMax: 5_000)
        #expect(try results.allSatisfy { try !$0.get().replayed })
        let store = try await TestStore.open(database: database)
        for session in 0..<2 {
            let listed = try await store.all(FeedbackQuery(sessionID: "s\(session)"))
            #expect(listed.map(\.draft) == drafts.filter { $0.sessionID == "s\(session)" })
        }
        await store.close()
    }

    @Test("51: a document at 16 MB is RESOURCE_EXHAUSTED naming the session, alone")
    func full_document() async throws {
        // 400 such comments have 16 MB.
        let comment = String(repeating: "\u{1F600}", count: FieldLimits.commentCodePointsMax)
        let full = (0..<500).map { FeedbackDraft(sessionID: "full \($0 / 500)", comment: comment) }
        let neighbour = FeedbackDraft(sessionID: "neighbour")
        var stored = 0
        for part in 0..<5 {
            let drafts = Array(full[part * 100..<(part + 1) * 100]) + [neighbour]
            let results = try await commit(drafts)
            #expect(code(of: results[100]) == nil)
            for result in results[..<100] {
                switch result {
                case .success: stored += 1
                case .failure(let error as CallError):
                    #expect(error.code == .resourceExhausted)
                    #expect(error.message.contains("full 0"))
                case .failure(let error): throw error
                }
            }
        }
        // The limit is 16 MiB, divided by 40,000 bytes of comment and its overhead.
        #expect((410..<419).contains(stored))
        let store = try await TestStore.open(database: database)
        let metrics = try await store.metrics(MetricsQuery(grouping: .session))
        #expect(metrics.groups.map(\.metrics.total) == [Int64(stored), 5])
        // Pages end before a message would be too large.
        let page = try await store.list(FeedbackQuery(sessionID: "full 0", pageSize: 1_000))
        #expect(page.feedbacks.count < 100)
        #expect(try await store.all(FeedbackQuery(sessionID: "full 0")).count == stored)
        await store.close()
    }

    @Test func a_session_that_a_foreign_index_forbids_fails_alone() async throws {
        let sessions = try Sessions(await SharedServer.uri(), database: database)
        try sessions.run([
            "createIndexes": "sessions",
            "indexes": [["name": "foreign", "key": ["session_id": 1], "unique": true]],
        ])
        try sessions.insert(["_id": 1, "session_id": "taken"])
        let results = try await commit([
            FeedbackDraft(sessionID: "taken"), FeedbackDraft(sessionID: "free"),
        ])
        #expect(code(of: results[0]) == .failedPrecondition)
        #expect(try !results[1].get().replayed)
    }

    @Test(arguments: [5, ["request_id": "r"], ["a": 1]] as [BSON])
    func several_to_a_session_whose_feedbacks_are_no_list_fail_alone(_ feedbacks: BSON) async throws
    {
        let sessions = try Sessions(await SharedServer.uri(), database: database)
        try sessions.insert(["_id": "broken", "feedbacks": feedbacks])
        let results = try await commit(
            ["broken", "sound", "broken"].map { FeedbackDraft(sessionID: $0) }
        )
        #expect(results.map(code(of:)) == [.failedPrecondition, nil, .failedPrecondition])
    }

    /// The server, whose collation ignores case, finds the request_id; the exact comparison does
    /// not.
    @Test func what_stays_undecided_holds_up_no_other_and_ends_with_its_deadline() async throws {
        let sessions = try Sessions(await SharedServer.uri(), database: database)
        try sessions.run(["create": "sessions", "collation": ["locale": "en", "strength": 2]])
        try sessions.insert(["_id": "odd", "feedbacks": [["request_id": "R"]]])
        let odd = FeedbackDraft(sessionID: "odd", requestID: "r")
        let results = try await collection().attempt([odd, FeedbackDraft(sessionID: "sound")])
        guard case .undecided = results[0], case .done(let outcome) = results[1] else {
            Issue.record("\(results)")
            return
        }
        #expect(try !outcome.added().replayed)
        let store = try await TestStore.open(database: database)
        let answer = await errorCode {
            let context = CallContext(deadline: .now + .seconds(1))
            return try await FeedbackService(store: store).add(odd, context: context)
        }
        #expect(answer == .unavailable || answer == .deadlineExceeded)
        await store.close()
    }

    @Test func an_append_whose_caller_is_gone_is_dropped_and_its_repetition_is_not() async throws {
        let drafts = [
            FeedbackDraft(sessionID: "s", comment: "gone", requestID: "1"),
            FeedbackDraft(sessionID: "s", comment: "waits", requestID: "1"),
            FeedbackDraft(sessionID: "s", comment: "waits", requestID: "2"),
        ]
        let store = try await TestStore.open(database: database)
        let service = FeedbackService(store: store)
        let gone = CallContext(deadline: .now - .seconds(1))
        #expect(
            await errorCode { try await service.add(drafts[0], context: gone) }
                == .deadlineExceeded
        )
        for draft in drafts[1...] { #expect(try await !service.add(draft).replayed) }
        #expect(try await store.all().map(\.draft.requestID) == ["1", "2"])
        await store.close()
    }

    /// There is one bulk write for each session, and each alone would wait for a primary.
    @Test(.timeLimit(.minutes(1)))
    func only_the_first_bulk_of_a_batch_waits_for_a_primary() async throws {
        let results = try await commit(
            (0..<40).map { FeedbackDraft(sessionID: "s\($0)") },
            bulkBytesMax: 1,
            uri: "mongodb://127.0.0.1:1/?replicaSet=tests&serverSelectionTimeoutMS=3000"
        )
        #expect(results.allSatisfy { code(of: $0) == .unavailable })
    }

    @Test func that_no_server_fits_for_reading_does_not_keep_writes_away() async throws {
        let sessions = try await collection(
            "mongodb://127.0.0.1:1/?replicaSet=tests&readPreference=secondary"
                + "&serverSelectionTimeoutMS=100"
        )
        let arrivedAt = ContinuousClock.now
        #expect(throws: MongoFailure.self) {
            try sessions.use(for: .reading) { try $0.aggregate([]) { _, _ in true } }
        }
        #expect(sessions.refusal(arrivedAt: arrivedAt, for: .reading)?.code == .unavailable)
        #expect(sessions.refusal(arrivedAt: arrivedAt, for: .writing) == nil)
    }

    @Test func a_session_that_somebody_has_removed_is_made_again_or_refused() async throws {
        let store = try await TestStore.open(database: database)
        _ = try await store.add(FeedbackDraft(sessionID: "kept"))
        _ = try await store.add(FeedbackDraft(sessionID: "removed"))
        let sessions = try await Sessions(SharedServer.uri(), database: database)
        let removal: BSONDocument = [
            "delete": "sessions", "deletes": [["q": ["_id": "removed"], "limit": 1]],
        ]
        try sessions.run(removal)
        let added = try await store.add(FeedbackDraft(sessionID: "removed", comment: "c"))
        #expect(!added.replayed)
        #expect(try await store.all(FeedbackQuery(sessionID: "removed")) == [added.feedback])
        #expect(try sessions.document("removed")?["session_type"]?.string == "AGENT")
        #expect(try await store.all(FeedbackQuery(sessionID: "kept")).count == 1)

        try sessions.run(removal)
        await #expect {
            try await store.add(FeedbackDraft(sessionID: "removed"), missingSession: .reject)
        } throws: {
            ($0 as? CallError)?.code == .notFound
        }
        await store.close()
    }

    @Test func two_hosts_that_make_the_same_sessions_store_everything_once() async throws {
        let hosts = [
            try await TestStore.open(database: database),
            try await TestStore.open(database: database),
        ]
        let answers = try await withThrowingTaskGroup(of: AddedFeedback.self) { group in
            for index in 0..<400 {
                let host = hosts[index % 2]
                group.addTask {
                    // Each request_id is sent to both hosts.
                    try await host.add(
                        FeedbackDraft(sessionID: "s\(index / 8)", requestID: "r\(index / 2)")
                    )
                }
            }
            return try await group.reduce(into: [AddedFeedback]()) { $0.append($1) }
        }
        #expect(answers.filter { !$0.replayed }.count == 200)
        let stored = try await hosts[0].all()
        #expect(stored.count == 200)
        #expect(Set(stored) == Set(answers.map(\.feedback)))
        for host in hosts { await host.close() }
    }
}
