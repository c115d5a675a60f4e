import FeedbackCore
import FeedbackModel
import GRDB
import Logging
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("writes are answered when the journal has them")
struct LocalAcknowledgementTests {
    private let folder: TemporaryFolder
    private let inner = UnreliableStore()

    init() throws { folder = try TemporaryFolder() }

    private func open(
        _ acknowledgement: Acknowledgement = .local,
        bytesMax: Int = 1 << 30,
        keep: Duration = .seconds(3_600)
    ) throws -> JournaledStore {
        let path = folder.path("journal.db")
        var limits = JournaledStore.Limits()
        limits.bytesMax = bytesMax
        limits.keep = keep
        limits.replicationTimeout = .milliseconds(50)
        limits.purgePause = .milliseconds(20)
        let store = JournaledStore(
            inner.other,
            acknowledgement: acknowledgement,
            limits: limits,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { path }
        try store.open(followers: ["c"])
        return store
    }

    private func add(
        _ store: JournaledStore,
        _ comment: String,
        session: String = "s",
        requestID: String = ""
    ) async throws -> AddedFeedback {
        let draft = FeedbackDraft(sessionID: session, comment: comment, requestID: requestID)
        return try await FeedbackService(store: store).add(draft)
    }

    private func merge(_ store: JournaledStore, _ metadata: Metadata) async throws -> Metadata {
        try await FeedbackService(store: store).changeMetadata(ofSession: "s", by: .merge(metadata))
    }

    private func stored() async throws -> [String] {
        try await inner.memory.list(FeedbackQuery(pageSize: 1_000)).feedbacks.map(\.comment)
    }

    private func isReplicated(_ store: JournaledStore) async throws -> Bool {
        try await eventually { try await store.waiting().count == 0 }
    }

    private func away(_ isAway: Bool) { inner.isAway.store(isAway, ordering: .relaxed) }

    @Test("while the store is away, writes are answered; all is there, in order, when it is back")
    func away() async throws {
        let store = try open()
        away(true)
        for number in 0..<50 {
            _ = try await add(store, "\(number)")
            let metadata = try await merge(store, ["\(number)": .bool(true)])
            #expect(metadata.count == number + 1)
        }
        #expect(await store.health() == .serving)
        #expect(try await store.waiting().count == 51, "50 feedbacks, and one session")
        #expect(try await store.waiting().since != nil)
        #expect(try await stored().isEmpty)
        let read = await feedbackError {
            try await store.list(FeedbackQuery(pageSize: 1), context: CallContext())
        }
        #expect(read?.code == .unavailable)
        #expect(read?.message == "up to 100 changes wait to be written to MongoDB")
        let removal = await feedbackError {
            try await FeedbackService(store: store)
                .changeMetadata(ofSession: "s", by: .remove(["1"]))
        }
        #expect(removal?.code == .unavailable)

        away(false)
        #expect(try await isReplicated(store))
        #expect(try await stored() == (0..<50).map { "\($0)" })
        #expect(try await inner.memory.metadata(ofSession: "s")?.count == 50)
        #expect(
            try await store.list(FeedbackQuery(pageSize: 1), context: CallContext()).totalSize == 50
        )
        await store.close()
    }

    @Test("killed while the store is away, a new start writes what waits, once")
    func restart() async throws {
        var store = try open()
        away(true)
        for number in 0..<20 { _ = try await add(store, "\(number)", requestID: "r\(number)") }
        _ = try await merge(store, ["k": .bool(true)])
        await store.close()
        store = try open()
        #expect(try await store.waiting().count == 21)
        // A request that was acknowledged before is answered with its original.
        #expect(try await add(store, "other", requestID: "r3").replayed)
        away(false)
        #expect(try await isReplicated(store))
        #expect(try await stored() == (0..<20).map { "\($0)" })
        // The progress was not recorded, as after a crash: everything is written once more.
        try await store.journal?.submit(
            .changeRows { try $0.execute(sql: "UPDATE cursor SET position = 0") },
            context: CallContext()
        )
        await store.close()
        store = try open()
        #expect(try await isReplicated(store))
        #expect(try await stored() == (0..<20).map { "\($0)" })
        #expect(try await inner.memory.metadata(ofSession: "s") == ["k": .bool(true)])
        await store.close()
    }

    @Test("what waits is written also after a change to the acknowledgement of a majority")
    func changed() async throws {
        var store = try open()
        away(true)
        for number in 0..<3 { _ = try await add(store, "\(number)") }
        await store.close()
        store = try open(.majority)
        #expect(await feedbackError { try await add(store, "3") }?.code == .unavailable)
        away(false)
        #expect(try await isReplicated(store))
        _ = try await add(store, "3")
        #expect(try await stored() == ["0", "1", "2", "3"])
        await store.close()
        // What a majority has is not written a second time.
        inner.attempts.withLock { $0 = [] }
        store = try open()
        _ = try await add(store, "4")
        #expect(try await isReplicated(store))
        #expect(inner.attempts.withLock { $0.flatMap(\.self).count } == 1)
        await store.close()
    }

    @Test("no cursor sees a change before the store has it")
    func gate() async throws {
        let store = try open()
        let cursors = store.cursors
        _ = try await cursors.open("c", from: .now, spread: .zero)
        func seen() async throws -> [String] {
            try await cursors.changes(after: 0, of: "c", limit: 9, bytesMax: 1 << 20)
                .changes.map(\.feedback.comment)
        }
        _ = try await add(store, "1")
        #expect(try await isReplicated(store))
        away(true)
        let count = cursors.growth.count
        _ = try await add(store, "2")
        #expect(try await seen() == ["1"])
        away(false)
        // The cursor that waits at the end is woken when the store has the change.
        await cursors.growth.wait(after: count + 1, atMost: .seconds(20))
        #expect(try await isReplicated(store))
        #expect(try await seen() == ["1", "2"])
        await store.close()
    }

    @Test("the original of a request_id that the store has stays, and no cursor hears of another")
    func original() async throws {
        _ = try await inner.memory.commit(
            AcceptedChange(
                .add(FeedbackDraft(sessionID: "s", comment: "original", requestID: "r")),
                feedbackID: FeedbackID(high: 1, low: 1),
                acceptedAt: .now
            ),
            context: CallContext()
        )
        let store = try open()
        #expect(try await !add(store, "other", requestID: "r").replayed)
        _ = try await add(store, "next")
        #expect(try await isReplicated(store))
        #expect(try await stored() == ["original", "next"])
        _ = try await store.cursors.open("c", from: .beginning, spread: .zero)
        let seen = try await store.cursors.changes(after: 0, of: "c", limit: 9, bytesMax: 1 << 20)
        #expect(seen.changes.map(\.feedback.comment) == ["next"])
        await store.close()
    }

    @Test("what the store refuses for good is a dead letter with its content, and can be retried")
    func refused() async throws {
        let store = try open()
        let full = UnreliableStore.fullSession
        _ = try await add(store, "1", session: full)
        _ = try await add(store, "2")
        #expect(try await isReplicated(store))
        #expect(try await stored() == ["2"])
        func dead() async throws -> [Delivery] {
            try await store.cursors.deliveries(
                of: Replicator.cursorName,
                in: .dead,
                after: 0,
                limit: 9,
                bytesMax: 1 << 20
            ).deliveries
        }
        let letter = try #require(try await dead().first)
        #expect(letter.feedback?.comment == "1")
        #expect(letter.lastError == "the session is full")
        inner.hasRoom.store(true, ordering: .relaxed)
        #expect(try await store.cursors.retry(nil, of: Replicator.cursorName) == 1)
        let isStored = try await eventually { try await stored() == ["2", "1"] }
        #expect(isStored)
        let isGone = try await eventually { try await dead().isEmpty }
        #expect(isGone)
        await store.close()
    }

    @Test("a full journal refuses adds by its name, and takes them again when there is room")
    func full() async throws {
        let store = try open(bytesMax: 2_000)
        away(true)
        var count = 0
        var refusal: CallError?
        while refusal == nil, count < 100 {
            refusal = await feedbackError { try await add(store, "\(count)") }
            if refusal == nil { count += 1 }
        }
        #expect(refusal?.code == .resourceExhausted)
        #expect(refusal?.message.hasPrefix("the journal is full (2000 bytes") == true)
        #expect((1..<10).contains(count))
        away(false)
        #expect(try await isReplicated(store))
        let hasRoom = await eventually {
            await feedbackError { try await add(store, "more") } == nil
        }
        #expect(hasRoom)
        #expect(try await isReplicated(store))
        #expect(try await stored() == (0..<count).map { "\($0)" } + ["more"])
        await store.close()
    }

    @Test("what is everywhere leaves the journal when it is old enough")
    func purge() async throws {
        let store = try open(keep: .zero)
        let journal = try #require(store.journal)
        for number in 0..<2_100 { _ = try await add(store, "\(number)") }
        #expect(try await isReplicated(store))
        // The last ones are kept for alert rules.
        let isShort = try await eventually {
            try await journal.list(FeedbackQuery(pageSize: 1_000)).feedbacks.first?.comment == "100"
        }
        #expect(isShort)
        #expect(try await stored().count == 1_000, "the first page")
        let log = try await journal.readLog(from: .beginning, context: CallContext())
        let page = try await log.next(limit: 1, patience: .zero, context: CallContext())
        #expect(page.changes.map(\.feedback.comment) == ["100"])
        await store.close()
    }
}
