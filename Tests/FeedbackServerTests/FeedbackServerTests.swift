import FeedbackClient
import FeedbackCore
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import FeedbackServer

@Suite("the server library")
struct FeedbackServerTests {
    private let folder: TemporaryFolder
    private let lines = LogLines()

    init() throws { folder = try TemporaryFolder() }

    private func makeServer(
        hooks: [any FeedbackHook] = [],
        level: Logger.Level = .info,
        _ change: (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> FeedbackServer {
        var configuration = ServerConfiguration()
        configuration.socketPath = folder.path("s.sock")
        configuration.store = .sqlite(path: folder.path("f.db"))
        change(&configuration)
        var logger = Logger(label: "test") { [lines] _ in LineHandler(lines: lines) }
        logger.logLevel = level
        let server = try FeedbackServer(
            configuration: configuration,
            hooks: hooks,
            logger: logger
        )
        try server.start()
        return server
    }

    private func client() throws -> FeedbackClient {
        try FeedbackClient(socket: folder.path("s.sock"))
    }

    /// A hook that throws an error whose text contains the comment.
    private struct LeakyHook: FeedbackHook {
        struct Leak: Error, CustomStringConvertible {
            let description: String
        }

        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            throw Leak(description: "cannot handle: \(change.draft?.comment ?? "")")
        }
    }

    /// A hook that suspends, so that the call leaves its thread, and then uses its context.
    private struct SuspendingHook: FeedbackHook {
        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            guard case .add(var feedback) = change else { return try await next(change) }
            let variant = try await context.metadata()?["variant"]
            await Task.yield()
            feedback.tags = [
                "\(context.action)", context.sessionID, "\(context.call.peer?.uid ?? 0)",
                variant == .string("B") ? "B" : "none",
            ]
            return try await next(.add(feedback))
        }
    }

    @Test func what_is_acknowledged_is_there_after_a_new_start() async throws {
        let first = try makeServer()
        let id = try await client().addFeedback(sessionID: "s", rating: .up).feedback.id
        try await first.stop()
        let second = try makeServer()
        let page = try await client().listFeedbacks()
        #expect(page.feedbacks.map(\.id) == [id])
        try await second.stop()
    }

    @Test func a_hook_sees_session_peer_and_metadata_and_changes_the_feedback() async throws {
        let server = try makeServer(hooks: [SuspendingHook()])
        let client = try client()
        try await client.updateMetadata(sessionID: "s", ["variant": .string("B")])
        let added = try await client.addFeedback(sessionID: "s", rating: .up)
        #expect(added.feedback.draft.tags == ["add", "s", "\(geteuid())", "B"])
        #expect(try await client.listFeedbacks().feedbacks == [added.feedback])
        try await server.stop()
    }

    @Test func an_unknown_error_reaches_neither_the_peer_nor_the_usual_log() async throws {
        let server = try makeServer(hooks: [LeakyHook()])
        await #expect {
            try await client().addFeedback(sessionID: "s", comment: "my secret")
        } throws: {
            let error = $0 as? CallError
            return error?.code == .internal && error?.message == "internal error"
        }
        try await server.stop()
        #expect(lines.all.contains { $0.contains("Leak") })
        #expect(!lines.all.contains { $0.contains("my secret") })
    }

    @Test func refused_fields_are_named_without_their_content_in_log_and_error() async throws {
        let server = try makeServer(level: .debug)
        let comment = String(repeating: "confidential", count: 1_000)
        await #expect {
            try await client().addFeedback(sessionID: "", comment: comment)
        } throws: {
            let fields = ($0 as? CallError)?.violations.map(\.field)
            return fields == ["session_id", "comment"] && !"\($0)".contains("confidential")
        }
        try await server.stop()
        #expect(!lines.all.contains { $0.contains("confidential") })
    }

    @Test("53: a user who is not on the list gets PERMISSION_DENIED")
    func allowedUsers() async throws {
        let closed = try makeServer { $0.allowedUIDs = [geteuid() + 1] }
        await #expect {
            try await client().addFeedback(sessionID: "s")
        } throws: {
            ($0 as? CallError)?.code == .permissionDenied
        }
        try await closed.stop()
        let nobody = try makeServer { $0.allowedUIDs = [] }
        await #expect {
            try await client().addFeedback(sessionID: "s")
        } throws: {
            ($0 as? CallError)?.code == .permissionDenied
        }
        try await nobody.stop()
        let open = try makeServer { $0.allowedUIDs = [geteuid() + 1, geteuid()] }
        try await client().addFeedback(sessionID: "s")
        try await open.stop()
    }

    @Test func a_large_page_is_cut_so_that_it_fits_into_a_message() async throws {
        let server = try makeServer()
        let client = try client()
        let comment = String(repeating: "🙂", count: FieldLimits.commentCodePointsMax)
        for index in 0..<200 {
            try await client.addFeedback(
                FeedbackDraft(
                    sessionID: "s",
                    comment: comment,
                    requestID: "\(index)",
                    tags: ["\(index)"]
                )
            )
        }
        let page = try await client.listFeedbacks(FeedbackQuery(pageSize: 1_000))
        #expect(page.feedbacks.count < 100)
        #expect(page.totalSize == 200)
        var seen: [String] = []
        for try await feedback in client.allFeedbacks(FeedbackQuery(pageSize: 1_000)) {
            seen += feedback.draft.tags
        }
        #expect(seen == (0..<200).map(String.init))
        try await server.stop()
    }

    @Test func under_reject_a_write_to_an_unknown_session_is_not_found() async throws {
        let server = try makeServer { $0.missingSession = .reject }
        let client = try client()
        for call in [
            { _ = try await client.addFeedback(sessionID: "s") },
            { _ = try await client.updateMetadata(sessionID: "s", ["a": .null]) },
            { _ = try await client.deleteMetadata(sessionID: "s", keys: ["a"]) },
        ] as [@Sendable () async throws -> Void] {
            await #expect {
                try await call()
            } throws: {
                ($0 as? CallError)?.code == .notFound
            }
        }
        try await server.stop()
    }

    @Test func store_locations_are_read_without_repeating_secrets() throws {
        #expect(try StoreLocation("memory:") == .memory)
        #expect(try StoreLocation("sqlite:/a b/c.db") == .sqlite(path: "/a b/c.db"))
        for text in ["", "sqlite:", "memory:x", "postgres://user:hunter2@host/"] {
            #expect {
                try StoreLocation(text)
            } throws: {
                !"\($0)".contains("hunter2") && "\($0)".contains("sqlite:PATH")
            }
        }
    }
}

/// The log messages of one test.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

/// A log handler that keeps the messages.
struct LineHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.add("\(event.level) \(event.message) \(event.metadata ?? [:])")
    }
}
