import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import Logging
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

/// The fixtures were written by the last version with the tables `alert*`.
///
/// In `fixtures/v5.db.gz` the rule `slack` has the dead letters 1 and 2, alert 3 that was tried twice,
/// and the untried alerts 4 and 5. `fixtures/alerts-v5.db.gz` is a file of alerts beside MongoDB: the
/// rule has the dead letter 1, the alerts 2 and 3, and five of which it was not known whether MongoDB
/// had their feedback.
@Suite("alerts of former versions")
struct FormerAlertsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func unpackFixture(_ name: String = "v5.db.gz") throws {
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("fixtures/\(name)").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", #"gunzip -c "$1" > "$2""#, "sh", fixture, folder.databasePath]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test func a_former_database_is_read_and_counted_as_before() async throws {
        try unpackFixture()
        let store = try SQLiteStore(path: folder.databasePath)
        let page = try await store.list(FeedbackQuery(pageSize: 100))
        #expect(
            page.feedbacks.map(\.comment) == [
                "dead one", "fine", "dead two", "tried", "untried one", "nothing", "untried two",
            ]
        )
        #expect(page.feedbacks.map(\.sessionID).filter { $0 == "alpha" }.count == 3)
        for session in [nil, "alpha", "beta", "gamma"] {
            let report = try await store.metrics(MetricsQuery(sessionID: session))
            var recount = Metrics()
            for feedback in page.feedbacks where session == nil || feedback.sessionID == session {
                recount.count(
                    feedback.rating,
                    commentCodePoints: Int64(feedback.comment.codePointCount)
                )
            }
            #expect(report.metrics == recount)
        }
        #expect(try await store.metadata(ofSession: "gamma") == ["variant": .string("b")])
        let draft = FeedbackDraft(sessionID: "alpha", rating: .up, requestID: "r-tried")
        let replayed = try await store.add(draft)
        #expect(replayed.replayed)
        #expect(replayed.feedback.comment == "tried")
        let log = try await store.readLog(from: .beginning, context: CallContext())
        let changes = try await log.next(limit: 100, patience: .zero, context: CallContext())
            .changes
        #expect(changes.map(\.feedback) == page.feedbacks)
        await store.close()
    }

    @Test func a_former_file_of_alerts_beside_another_store_becomes_the_journal() async throws {
        try unpackFixture("alerts-v5.db.gz")
        let inner = UnreliableStore()
        inner.fault.withLock { $0 = .lookupFails }
        let path = folder.databasePath
        func open() throws -> JournaledStore {
            var limits = JournaledStore.Limits()
            limits.dropTimeout = .zero
            limits.lookupPause = .milliseconds(10)
            let store = JournaledStore(
                inner.other,
                limits: limits,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { path }
            try store.open(followers: ["slack"])
            return store
        }
        var store = try open()
        let intents = try await #require(store.journal).intents(after: nil, limit: 9)
        #expect(intents.count == 5)
        #expect(intents.allSatisfy { $0.comment == "unconfirmed" && $0.sessionID == "gamma" })
        await store.close()

        // The other store has the second one.
        _ = try await inner.memory.commit(
            AcceptedChange(
                .add(intents[1].draft),
                feedbackID: try #require(intents[1].id),
                acceptedAt: intents[1].createdAt
            ),
            context: CallContext()
        )
        inner.fault.withLock { $0 = nil }
        store = try open()
        let receiver = AcceptingDestination(name: "slack")
        let destinations = try Destinations([receiver], store: store)
        destinations.start()
        let areTold = await eventually { receiver.comments.count == 3 }
        #expect(areTold)
        #expect(Set(receiver.comments) == ["tried", "waiting", "unconfirmed"])
        let areDecided = try await eventually {
            try await store.journal?.intents(after: nil, limit: 9).isEmpty == true
        }
        #expect(areDecided)
        let query = DeliveryQuery(destination: "slack", includesContent: true)
        let dead = try await destinations.deliveries(query).deliveries
        #expect(dead.map(\.id) == ["1"])
        #expect(dead.map(\.feedback?.comment) == ["dead"])
        await destinations.stop()
        await store.close()
    }

    @Test func its_alerts_are_delivered_and_its_dead_letters_listed() async throws {
        try unpackFixture()
        let store = try SQLiteStore(path: folder.databasePath)
        let record = try await store.cursors.status(of: "slack")
        #expect(record.retryingCount == 3)
        #expect(record.deadCount == 2)
        #expect(record.changesBehind == 0, "what raised no alert is not told of")
        let receiver = AcceptingDestination(name: "slack")
        let destinations = try Destinations([receiver], store: store)
        destinations.start()
        #expect(await eventually { receiver.comments.count == 3 })
        #expect(Set(receiver.comments) == ["tried", "untried one", "untried two"])
        let tried = try #require(receiver.alerts.first { $0.feedback.comment == "tried" })
        #expect(tried.sessionCount == 2)
        #expect(tried.totalCount == 3)
        let query = DeliveryQuery(destination: "slack", includesContent: true)
        let dead = try await destinations.deliveries(query).deliveries
        #expect(dead.map(\.id) == ["1", "2"])
        #expect(dead.map(\.feedback?.comment) == ["dead one", "dead two"])
        #expect(dead.map(\.attempts) == [2, 1])
        #expect(dead.allSatisfy { $0.lastError == "Couldn't connect to server" })
        let selection = DeliverySelection(destination: "slack", ids: ["1"])
        #expect(try await destinations.retry(selection) == 1)
        #expect(await eventually { receiver.comments.last == "dead one" })
        try await store.add(FeedbackDraft(sessionID: "new", rating: .down, comment: "new"))
        #expect(await eventually { receiver.comments.last == "new" })
        await destinations.stop()
        #expect(receiver.comments.count == 5)
        await store.close()
    }

    @Test func the_ids_of_former_alerts_are_never_given_again() async throws {
        try unpackFixture()
        let store = try SQLiteStore(path: folder.databasePath)
        _ = try await store.cursors.drop([1, 2, 3, 4, 5], of: "slack")
        var progress = CursorProgress(name: "slack")
        progress.outcomes = [
            .init(sequence: 1, next: .dead(error: "no", DeliveryAttempts(firstAt: .now)))
        ]
        try await store.cursors.record(progress)
        let dead = try await store.cursors.deliveries(
            of: "slack",
            in: .dead,
            after: 0,
            limit: 9,
            bytesMax: nil
        )
        #expect(dead.deliveries.map(\.id) == ["6"])
        await store.close()
    }

    @Test func alerts_of_a_file_beside_another_store_become_deliveries_of_their_own_feedback()
        async throws
    {
        let old = try SQLiteSchema.makeDatabase(at: folder.databasePath, ofVersion: "v5")
        try await old.write { db in
            for (id, state, rule, feedback) in [
                (7, 1, "a", 1), (8, 2, "a", 2), (9, 0, "a", 3), (10, 1, "b", 1),
            ] as [(Int64, Int64, String, UInt8)] {
                let feedbackID = Data(
                    [0x01, 0x8D, 0x3F, 0x60, 0x5A, 0, 0x7B, 0x1C, 0x8A] + [
                        0, 0, 0, 0, 0, 0, feedback,
                    ]
                )
                try db.execute(
                    sql: """
                        INSERT INTO alert (id, state, rule, rule_when_unconfirmed, feedback_id,
                            session_id, rating, comment, created_at, session_count, total_count,
                            queued_at, due_at)
                        VALUES (?1, ?2, ?3, iif(?2 = 0, '{}', NULL), ?4, 's', 2, ?5, 5, 1, 1, 6, 7)
                        """,
                    arguments: [id, state, rule, feedbackID, "c\(feedback)"]
                )
            }
        }
        try old.close()
        let store = try SQLiteStore(path: folder.databasePath)
        let page = try await store.list(FeedbackQuery(pageSize: 100))
        #expect(page.feedbacks.map(\.comment) == ["c1", "c2"])
        #expect(page.feedbacks.allSatisfy { $0.sessionID == "s" && $0.rating == .down })
        #expect(page.feedbacks[0].id?.description == "018d3f60-5a00-7b1c-8a00-000000000001")
        #expect(try await store.metrics(MetricsQuery()).metrics.negative == 2)
        let due = try await store.cursors.dueDeliveries(of: "a", at: .zero, limit: 9)
        #expect(due.deliveries.map(\.change.feedback) == [page.feedbacks[0]])
        #expect(try await store.cursors.status(of: "a").deadCount == 1)
        #expect(try await store.cursors.status(of: "b").retryingCount == 1)
        // Whether the other store has the third one is to be found out.
        let intents = try await store.intents(after: nil, limit: 9)
        #expect(intents.map(\.comment) == ["c3"])
        #expect(intents.map(\.sessionID) == ["s"])
        await store.close()
    }
}
