import FeedbackClient
import FeedbackCore
import Logging
import TestSupport
import Testing

@testable import FeedbackServer

/// `docs/RELIABILITY.md`, 27, 28 and 43: calls behind a store that hangs, over a real socket.
@Suite("a stalled store")
struct StalledStoreTests {
    private let folder: TemporaryFolder
    private let store: StalledStore
    private let server: FeedbackServer
    private let client: FeedbackClient

    init() throws {
        folder = try TemporaryFolder()
        // One user may have a hundred of these places.
        store = StalledStore(limits: CommitLimits(queueLengthMax: 114))
        var configuration = ServerConfiguration()
        configuration.socketPath = folder.path("s.sock")
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        server = try FeedbackServer(
            configuration: configuration,
            store: store,
            location: .memory,
            logger: quiet
        )
        try server.start()
        client = try FeedbackClient(socket: folder.path("s.sock"))
    }

    private func add(
        _ comment: String,
        timeout: Duration = .seconds(20)
    ) -> Task<AddedFeedback, any Error> {
        Task { [client] in
            try await client.addFeedback(sessionID: "s", comment: comment, timeout: timeout)
        }
    }

    private func end() async throws {
        store.letGo()
        client.close()
        try await server.stop()
    }

    @Test("27: a 1 ms deadline is kept, and the write that had not begun is dropped")
    func deadline() async throws {
        let first = add("begun")
        store.waitUntilStalled()
        await #expect {
            try await add("not begun", timeout: .milliseconds(1)).value
        } throws: {
            ($0 as? CallError)?.code == .deadlineExceeded
        }
        store.letGo()
        _ = try await first.value
        _ = try await add("after").value
        #expect(store.writtenComments == ["begun", "after"])
        try await end()
    }

    @Test("27: the write of a caller that went away before it began is dropped")
    func callerGone() async throws {
        let first = add("begun")
        store.waitUntilStalled()
        let second = try FeedbackClient(socket: folder.path("s.sock"))
        let gone = Task { try await second.addFeedback(sessionID: "s", comment: "gone") }
        #expect(await eventually { store.contexts.count == 2 })
        second.close()
        await #expect(throws: CallError.self) { try await gone.value }
        #expect(await eventually { store.contexts[1].dropError != nil })
        store.letGo()
        _ = try await first.value
        _ = try await add("after").value
        #expect(store.writtenComments == ["begun", "after"])
        try await end()
    }

    @Test("28: a full write queue refuses at once, and reads go on")
    func fullQueue() async throws {
        let first = add("begun")
        store.waitUntilStalled()
        let waiting = (0..<100).map { add("waiting \($0)") }
        #expect(await eventually { store.contexts.count == 101 })
        await #expect {
            try await add("refused").value
        } throws: {
            ($0 as? CallError)?.code == .resourceExhausted
        }
        #expect(try await client.listFeedbacks().totalSize == 0)
        store.letGo()
        _ = try await first.value
        for task in waiting { _ = try await task.value }
        #expect(!store.writtenComments.contains("refused"))
        #expect(store.writtenComments.count == 101)
        try await end()
    }

    @Test("43: health answers while 100 calls are stalled")
    func health() async throws {
        let first = add("begun")
        store.waitUntilStalled()
        let waiting = (0..<99).map { add("waiting \($0)") }
        #expect(await eventually { store.contexts.count == 100 })
        #expect(try await client.isServing(timeout: Duration.milliseconds(500)))
        store.letGo()
        for task in waiting + [first] { _ = try await task.value }
        try await end()
    }
}
