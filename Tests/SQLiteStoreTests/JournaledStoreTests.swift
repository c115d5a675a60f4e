import FeedbackCore
import FeedbackModel
import Logging
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("the journal beside a store")
struct JournaledStoreTests {
    private let folder: TemporaryFolder
    private let inner: UnreliableStore

    init() throws {
        folder = try TemporaryFolder()
        inner = UnreliableStore()
    }

    private func open(dropTimeout: Duration = .zero) throws -> JournaledStore {
        let path = folder.path("journal.db")
        var limits = JournaledStore.Limits()
        limits.dropTimeout = dropTimeout
        limits.lookupPause = .milliseconds(10)
        limits.openMax = 3
        let store = JournaledStore(
            inner.other,
            limits: limits,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { path }
        try store.open(followers: ["c"])
        return store
    }

    @discardableResult
    private func add(
        _ store: JournaledStore,
        _ comment: String,
        requestID: String = ""
    ) async throws -> AddedFeedback {
        let draft = FeedbackDraft(
            sessionID: "s",
            rating: .down,
            comment: comment,
            requestID: requestID,
            messageID: "m",
            agentID: "a",
            author: Author(source: .human, id: "u"),
            tags: ["t"],
            attributes: ["k": "v"]
        )
        return try await FeedbackService(store: store).add(draft)
    }

    /// Returns the feedback in the journal's log.
    private func logged(_ store: JournaledStore) async throws -> [Feedback] {
        let journal = try #require(store.journal)
        let log = try await journal.readLog(from: .beginning, context: CallContext())
        return try await log.next(limit: 100, patience: .zero, context: CallContext())
            .changes.map(\.feedback)
    }

    private func intentCount(_ store: JournaledStore) async throws -> Int {
        try await #require(store.journal).intents(after: nil, limit: 100).count
    }

    @Test("an add is in the log, with every field, when it is answered")
    func added() async throws {
        let store = try open()
        let first = try await add(store, "1").feedback
        let second = try await add(store, "2").feedback
        #expect(try await logged(store) == [first, second])
        #expect(try await intentCount(store) == 0)
        let again = try await add(store, "3", requestID: "r").feedback
        #expect(try await add(store, "4", requestID: "r").replayed)
        #expect(try await logged(store) == [first, second, again])
        #expect(try await intentCount(store) == 0)
        await store.close()
    }

    @Test("what the store refuses for good is not in the log, and is not looked up")
    func refused() async throws {
        let store = try open()
        inner.fault.withLock { $0 = .refusal }
        await #expect(throws: CallError.self) { try await add(store, "1") }
        #expect(try await intentCount(store) == 0)
        #expect(store.openCount == 0)
        #expect(try await logged(store).isEmpty)
        await store.close()
    }

    @Test("an add that was stored without an answer comes into the log once")
    func storedWithoutAnswer() async throws {
        let store = try open()
        inner.fault.withLock { $0 = .after }
        await #expect(throws: CallError.self) { try await add(store, "1", requestID: "r") }
        inner.fault.withLock { $0 = nil }
        let again = try await add(store, "2", requestID: "r")
        #expect(again.replayed)
        let isLogged = try await eventually { try await logged(store).count == 1 }
        #expect(isLogged)
        #expect(try await logged(store) == [again.feedback])
        let isSettled = try await eventually { try await intentCount(store) == 0 }
        #expect(isSettled)
        #expect(store.openCount == 0)
        await store.close()
    }

    @Test("an add that was not stored never comes into the log")
    func notStored() async throws {
        let store = try open()
        inner.fault.withLock { $0 = .before }
        await #expect(throws: CallError.self) { try await add(store, "1") }
        let isDropped = try await eventually { try await intentCount(store) == 0 }
        #expect(isDropped)
        #expect(try await logged(store).isEmpty)
        inner.fault.withLock { $0 = nil }
        let added = try await add(store, "2").feedback
        #expect(try await logged(store) == [added])
        await store.close()
    }

    @Test("as long as an add might still be written, its intent is kept")
    func kept() async throws {
        let store = try open(dropTimeout: .seconds(3_600))
        inner.fault.withLock { $0 = .late }
        await #expect(throws: CallError.self) { try await add(store, "late") }
        // Several lookups find nothing.
        let isLookedUp = await eventually { inner.lookups.load(ordering: .relaxed) >= 3 }
        #expect(isLookedUp)
        #expect(try await intentCount(store) == 1)
        #expect(try await logged(store).isEmpty)
        try await inner.writeLate()
        let isLogged = try await eventually { try await logged(store).count == 1 }
        #expect(isLogged)
        await store.close()
    }

    @Test("a new start looks up what a crash has left, whether it was stored or not")
    func crash() async throws {
        let store = try open()
        let journal = try #require(store.journal)
        // The states in which a killed process leaves an add: before and after the store has it.
        let (stored, missing) = (Self.feedback("stored"), Self.feedback("missing"))
        inner.fault.withLock { $0 = .lookupFails }
        for feedback in [stored, missing] {
            try await journal.submit(
                .changeRows { try IntentTable.insert(feedback, $0) },
                context: CallContext()
            )
        }
        _ = try await inner.memory.commit(.any(stored), context: CallContext())
        await store.close()

        inner.fault.withLock { $0 = nil }
        let next = try open()
        let isSettled = try await eventually { try await intentCount(next) == 0 }
        #expect(isSettled)
        #expect(try await logged(next) == [stored])
        await next.close()
    }

    @Test("too many open outcomes, and a store that is away, refuse adds")
    func limits() async throws {
        let store = try open(dropTimeout: .seconds(3_600))
        inner.fault.withLock { $0 = .before }
        for number in 0..<3 {
            await #expect(throws: CallError.self) { try await add(store, "\(number)") }
        }
        inner.fault.withLock { $0 = nil }
        #expect(await feedbackError { try await add(store, "4") }?.code == .resourceExhausted)
        inner.isAway.store(true, ordering: .relaxed)
        #expect(await feedbackError { try await add(store, "5") }?.code == .unavailable)
        #expect(try await intentCount(store) == 3)
        await store.close()
    }

    @Test("a request_id whose feedback the store has lost is logged again")
    func lostByTheStore() async throws {
        var store = try open()
        try await add(store, "1", requestID: "r")
        await store.close()
        let other = JournaledStoreTests(folder, UnreliableStore())
        store = try other.open()
        let second = try await other.add(store, "2", requestID: "r").feedback
        #expect(try await logged(store).map(\.id).last == second.id)
        #expect(try await logged(store).map(\.comment) == ["1", "2"])
        await store.close()
    }

    @Test("a second process is told to use another file")
    func locked() async throws {
        let store = try open()
        #expect(throws: CallError.self) { try open() }
        await store.close()
        let next = try open()
        await next.close()
    }

    private init(_ folder: TemporaryFolder, _ inner: UnreliableStore) {
        self.folder = folder
        self.inner = inner
    }

    private static func feedback(_ comment: String) -> Feedback {
        Feedback(
            id: FeedbackID(high: .random(in: 1 ... .max), low: 1),
            draft: FeedbackDraft(sessionID: "s", comment: comment),
            createdAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_000)
        )
    }
}

extension AcceptedChange {
    fileprivate static func any(_ feedback: Feedback) -> AcceptedChange {
        AcceptedChange(
            .add(feedback.draft),
            feedbackID: feedback.id ?? FeedbackID(high: 0, low: 0),
            acceptedAt: feedback.createdAt
        )
    }
}
