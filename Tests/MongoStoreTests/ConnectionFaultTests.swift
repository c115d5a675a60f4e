import FeedbackCore
import FeedbackModel
import MongoServers
import StoreContract
import TestSupport
import Testing

@testable import MongoStore

/// `docs/RELIABILITY.md`, 46, 47 and 49: faults between the store and the server.
@Suite("connections to MongoDB fail", .serialized)
struct ConnectionFaultTests {
    private let server: ReplicaSet
    private let relay: Relay
    private let database = SharedServer.newDatabase()

    init() async throws {
        server = try await ConnectionFaultTests.server.value
        relay = try Relay(to: server.members[0].address)
    }

    private static let server = Task { try await ReplicaSet(members: 1) }

    private func open(_ limits: MongoStoreLimits = MongoStoreLimits()) async throws -> MongoStore {
        try await TestStore.open(
            "mongodb://\(relay.address)/?directConnection=true",
            database: database,
            limits: limits
        )
    }

    /// The store repeats the write as often as the connection is cut.
    @Test("47: cut after sending, before the reply: repeated, one element stored", arguments: 1...4)
    func cutWrites(times: Int) async throws {
        let store = try await open()
        relay.cut("update", times: times)
        let drafts = (0..<20).map { FeedbackDraft(sessionID: "s\($0 % 3)", requestID: "r\($0)") }
        let answers = try await withThrowingTaskGroup(of: AddedFeedback.self) { group in
            for draft in drafts { group.addTask { try await store.add(draft) } }
            return try await group.reduce(into: [AddedFeedback]()) { $0.append($1) }
        }
        #expect(relay.cutsLeft == 0)
        #expect(answers.allSatisfy { !$0.replayed })
        let stored = try await store.all()
        #expect(stored.count == 20)
        #expect(Set(stored) == Set(answers.map(\.feedback)))
        await store.close()
    }

    @Test("47: a change of metadata whose reply is cut off is made", arguments: 1...3)
    func cutChanges(times: Int) async throws {
        let store = try await open()
        relay.cut("findAndModify", times: times)
        for key in ["a", "b"] {
            _ = try await store.changeMetadata(
                ofSession: "s",
                by: .merge([key: .null]),
                missingSession: .create
            )
        }
        #expect(relay.cutsLeft == 0)
        #expect(
            try await store.metadata(ofSession: "s", context: CallContext())
                == ["a": .null, "b": .null]
        )
        await store.close()
    }

    @Test("46: all readers busy and the queue full: RESOURCE_EXHAUSTED at once, then recovery")
    func exhaustedPool() async throws {
        let store = try await open(MongoStoreLimits(readersMax: 2, readQueueLengthMax: 3))
        _ = try await store.add(FeedbackDraft(sessionID: "s"))
        relay.hold("aggregate")
        let stalled = (0..<2).map { _ in Task { try await store.all() } }
        #expect(await eventually { relay.heldCount == 2 })
        let waiting = Task { try await store.all() }
        #expect(await eventually { store.readers.waitingCount == 1 })
        #expect(await errorCode { try await store.all() } == .resourceExhausted)
        // Writes use a connection of their own.
        _ = try await store.add(FeedbackDraft(sessionID: "s"))
        relay.hold("")
        for task in stalled + [waiting] { #expect(try await task.value.count >= 1) }
        #expect(try await store.all().count == 2)
        await store.close()
    }

    @Test("49: a writeConcernError is never an acknowledgement")
    func failedWriteConcern() async throws {
        let store = try await open()
        _ = try await store.add(FeedbackDraft(sessionID: "s", requestID: "before"))
        // Code 64 means that no majority was reached in time, 91 that the server shuts down.
        for code in [64, 91] as [Int32] {
            try await server.failWriteConcern(code: code)
            // The write is repeated until the caller's deadline.
            let context = CallContext(deadline: .now + .seconds(1))
            let answer = await errorCode {
                try await FeedbackService(store: store).add(
                    FeedbackDraft(sessionID: "s", requestID: "\(code)"),
                    context: context
                )
            }
            #expect(answer == .unavailable)
        }
        try await server.failWriteConcern(code: nil)
        // The writes themselves were done, as their repetition shows.
        for code in [64, 91] {
            let draft = FeedbackDraft(sessionID: "s", requestID: "\(code)")
            #expect(try await store.add(draft).replayed)
        }
        #expect(try await store.all().count == 3)
        await store.close()
    }
}
