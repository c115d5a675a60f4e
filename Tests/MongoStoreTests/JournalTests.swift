import FeedbackCore
import FeedbackModel
import MongoServers
import StoreContract
import TestSupport
import Testing

@testable import MongoStore
@testable import SQLiteStore

@Suite("the journal beside MongoDB", .serialized)
struct JournalTests {
    private static let server = Task { try await ReplicaSet(members: 1) }
    private static let servers = Task { try await ReplicaSet(members: 3) }
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func journaled(
        _ store: MongoStore,
        _ acknowledgement: Acknowledgement = .majority
    ) throws -> JournaledStore {
        let path = folder.path("journal.db")
        var limits = JournaledStore.Limits()
        limits.dropTimeout = .seconds(8)
        limits.lookupPause = .milliseconds(100)
        let journaled = JournaledStore(
            JournaledStore.Other(
                store,
                find: { try await store.isStored($0, context: $1) },
                replicate: { await store.replicate($0) }
            ),
            acknowledgement: acknowledgement,
            limits: limits,
            logger: .silent
        ) { path }
        try journaled.open(followers: ["c"])
        return journaled
    }

    /// Adds feedback with many callers, whose patience ends at random, while the body runs.
    ///
    /// - Returns: the identifiers of the acknowledged feedback.
    private func load(
        _ store: JournaledStore,
        _ body: @Sendable () async throws -> Void
    ) async throws -> Set<FeedbackID> {
        let service = FeedbackService(store: store)
        let end = ContinuousClock.now + .seconds(4)
        return try await withThrowingTaskGroup(of: Set<FeedbackID>.self) { group in
            for caller in 0..<8 {
                group.addTask {
                    var ids: Set<FeedbackID> = []
                    var number = 0
                    while ContinuousClock.now < end {
                        number += 1
                        let draft = FeedbackDraft(
                            sessionID: "s\(caller % 3)",
                            comment: "\(caller) \(number)",
                            requestID: number.isMultiple(of: 2) ? "\(caller) \(number)" : ""
                        )
                        let patience = Duration.milliseconds(Int64.random(in: 2...200))
                        let context = CallContext(deadline: .now + patience)
                        let added = try? await service.add(draft, context: context)
                        if let id = added?.feedback.id { ids.insert(id) }
                    }
                    return ids
                }
            }
            try await body()
            return try await group.reduce(into: []) { $0.formUnion($1) }
        }
    }

    /// Expects that the journal's log has exactly what MongoDB has, once each.
    private func verify(
        _ store: JournaledStore,
        _ acknowledged: Set<FeedbackID>
    ) async throws {
        let journal = try #require(store.journal)
        let isDecided = try await eventually(within: .seconds(60)) {
            try await journal.intents(after: nil, limit: 1).isEmpty
        }
        #expect(isDecided)
        #expect(store.openCount == 0)
        let log = try await journal.readLog(from: .beginning, context: CallContext())
        var logged: [FeedbackID?] = []
        while true {
            let page = try await log.next(limit: 500, patience: .zero, context: CallContext())
            logged += page.changes.map(\.feedback.id)
            if page.isAtEnd { break }
        }
        #expect(!logged.isEmpty)
        #expect(Set(logged).count == logged.count)
        #expect(acknowledged.isSubset(of: Set(logged.compactMap(\.self))))
        var query = FeedbackQuery(pageSize: 1_000)
        var stored: [FeedbackID?] = []
        repeat {
            let page = try await store.list(query, context: CallContext())
            stored += page.feedbacks.map(\.id)
            query.pageToken = page.nextPageToken
        } while !query.pageToken.isEmpty
        #expect(Set(stored) == Set(logged))
    }

    @Test("feedback is found by its id among what a majority has")
    func isStored() async throws {
        let store = try await TestStore.open()
        let feedback = try await store.add(FeedbackDraft(sessionID: "s")).feedback
        #expect(try await store.isStored(feedback, context: CallContext()))
        let other = Feedback(
            id: FeedbackID(high: 1, low: 2),
            draft: FeedbackDraft(sessionID: "s"),
            createdAt: feedback.createdAt
        )
        #expect(try await !store.isStored(other, context: CallContext()))
        var elsewhere = feedback
        elsewhere.draft.sessionID = "t"
        #expect(try await !store.isStored(elsewhere, context: CallContext()))
        await store.close()
    }

    @Test("connections are cut and callers give up: the log has what MongoDB has")
    func cuts() async throws {
        let server = try await Self.server.value
        let relay = try Relay(to: server.members[0].address)
        let store = try journaled(
            try await TestStore.open("mongodb://\(relay.address)/?directConnection=true")
        )
        let acknowledged = try await load(store) {
            for _ in 0..<20 {
                relay.cut("update", times: 2)
                try await Task.sleep(for: .milliseconds(150))
            }
            relay.cut("", times: 0)
        }
        #expect(!acknowledged.isEmpty)
        try await verify(store, acknowledged)
        await store.close()
    }

    @Test("the primary is killed under load: the log has what MongoDB has")
    func failover() async throws {
        let servers = try await Self.servers.value
        let store = try journaled(try await TestStore.open(servers.uri))
        let acknowledged = try await load(store) {
            try await Task.sleep(for: .seconds(1))
            let primary = try await servers.primary()
            primary.kill()
            try primary.start()
        }
        #expect(!acknowledged.isEmpty)
        try await verify(store, acknowledged)
        await store.close()
    }
}
