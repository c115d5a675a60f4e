import FeedbackCore
import FeedbackModel
import Foundation
import MongoServers
import Synchronization
import Testing

@testable import MongoStore

/// The bytes between the store and a server.
@Suite("the wire to MongoDB", .serialized)
struct WireTests {
    private static let server = Task { try await ReplicaSet(members: 1) }
    private let relay: Relay
    private let bulks = Bulks()
    private let database = SharedServer.newDatabase()

    init() async throws {
        let server = try await WireTests.server.value
        relay = try Relay(to: server.members[0].address) { [bulks] in bulks.note($0) }
    }

    private var uri: String { "mongodb://\(relay.address)/?directConnection=true" }

    @Test func of_long_sessions_no_more_than_the_answer_is_sent() async throws {
        let comment = String(repeating: "x", count: 1_000)
        let id = FeedbackID(high: 0x018D_3F60_5A00_7000, low: 1 << 63)
        let element: BSON = [
            "rating": "up", "comment": .string(comment), "created_at": .date(1_705_935_600_000),
            "feedback_id": .string("\(id)"), "request_id": "known",
        ]
        let sessions = try Sessions(uri, database: database)
        for name in ["a", "b"] {
            let feedbacks = BSON.array(Array(repeating: element, count: 2_000))
            try sessions.insert([
                "_id": .string(name), "feedbacks": feedbacks, "metadata": ["k": "v"],
                "updated_at": .date(1_705_935_600_000),
            ])
        }
        let store = try await TestStore.open(uri, database: database)
        let since = TimeRange(from: Timestamp(millisecondsSinceEpoch: 1_705_935_600_000))
        for sessionID in ["a", nil] {
            for query in [
                FeedbackQuery(sessionID: sessionID),
                FeedbackQuery(sessionID: sessionID, ratings: [.up]),
                FeedbackQuery(sessionID: sessionID, created: since, hasComment: true),
                FeedbackQuery(sessionID: sessionID, newestFirst: true),
            ] {
                try await expectSmallPages(store, query)
            }
            for grouping in [MetricsGrouping.none, .session, .metadata(key: "k"), .day] {
                let query = MetricsQuery(sessionID: sessionID, grouping: grouping)
                try await expectFewBytes {
                    let report = try await store.metrics(query)
                    #expect(report.metrics.positive == (sessionID == nil ? 4_000 : 2_000))
                }
            }
        }
        try await expectFewBytes {
            let added = try await store.add(FeedbackDraft(sessionID: "a", requestID: "new"))
            #expect(!added.replayed)
        }
        try await expectFewBytes {
            let known = try await store.add(FeedbackDraft(sessionID: "a", requestID: "new"))
            #expect(known.replayed)
        }
        try await expectFewBytes {
            let metadata = try await store.changeMetadata(
                ofSession: "a",
                by: .merge(["l": .null]),
                missingSession: .reject
            )
            #expect(metadata.count == 2)
        }
        // The count is one of all bytes: those that were requested are counted, too.
        let before = relay.replyBytes
        _ = try await store.list(FeedbackQuery(sessionID: "a", pageSize: 1_000))
        #expect(relay.replyBytes - before > 1_000_000)
        await store.close()
    }

    /// Reads the first two pages of ten feedbacks.
    private func expectSmallPages(_ store: MongoStore, _ query: FeedbackQuery) async throws {
        var query = query
        query.pageSize = 10
        for _ in 0..<2 {
            try await expectFewBytes {
                let page = try await store.list(query, context: CallContext())
                #expect(page.feedbacks.count == 10)
                #expect(page.totalSize >= 2_000)
                query.pageToken = page.nextPageToken
            }
        }
    }

    /// Runs the body and expects that the servers send no more than ten such feedbacks take, and
    /// some bytes for the monitoring of the servers.
    private func expectFewBytes(_ body: () async throws -> Void) async throws {
        let before = relay.replyBytes
        try await body()
        #expect(relay.replyBytes - before < 32_000)
    }

    private static func session(_ number: Int) -> String {
        "\(number) " + String(repeating: "s", count: number % 7 * 35)
    }

    @Test func no_bulk_write_is_longer_or_larger_than_its_limits() async throws {
        let limits = MongoStoreLimits(
            bulkBytesMax: 30_000,
            writes: CommitLimits(batchLengthMax: 20)
        )
        let store = try await TestStore.open(uri, database: database, limits: limits)
        let drafts = (0..<2_000).map { number in
            // Most comments are short, some fill a bulk write, and some are larger than one.
            let length = number.isMultiple(of: 20) ? number * 5 : number % 100
            return FeedbackDraft(
                // Adds to the few sessions share no updates, those to the many sessions do.
                sessionID: number < 1_000 ? Self.session(number % 7) : Self.session(number % 70),
                comment: String(repeating: "\u{1F600}", count: length),
                requestID: "\(number)",
                tags: Array(repeating: "tag", count: number % 16),
                attributes: number.isMultiple(of: 3) ? ["key": "value"] : [:]
            )
        }
        let answers = try await withThrowingTaskGroup(of: AddedFeedback.self) { group in
            for draft in drafts { group.addTask { try await store.add(draft) } }
            return try await group.reduce(into: [AddedFeedback]()) { $0.append($1) }
        }
        #expect(answers.allSatisfy { !$0.replayed })
        #expect(Set(try await store.all()) == Set(answers.map(\.feedback)))
        let seen = bulks.seen
        #expect(seen.allSatisfy { $0.bytes <= 30_000 || $0.feedbackCount == 1 })
        #expect(seen.allSatisfy { $0.feedbackCount <= 20 })
        #expect(seen.contains { $0.bytes > 30_000 })
        #expect(seen.contains { $0.feedbackCount == 20 })
        #expect(seen.reduce(0) { $0 + $1.feedbackCount } == 2_000)
        await store.close()
    }
}

/// The bulk writes that were sent.
private final class Bulks: Sendable {
    struct Bulk {
        let bytes: Int
        let feedbackCount: Int
    }

    private let bulks = Mutex<[Bulk]>([])

    var seen: [Bulk] { bulks.withLock { $0 } }

    func note(_ request: Data) {
        guard request.range(of: Data("\u{2}update\0".utf8)) != nil else { return }
        let count = request.count(of: "\u{2}feedback_id\0")
        bulks.withLock { $0.append(Bulk(bytes: request.count, feedbackCount: count)) }
    }
}
