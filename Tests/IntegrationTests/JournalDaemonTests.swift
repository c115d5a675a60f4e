import FeedbackClient
import Foundation
import MongoServers
import Synchronization
import TestSupport
import Testing

/// The daemon that answers for MongoDB while that is away.
@Suite("the daemon with a journal beside MongoDB", .serialized)
struct JournalDaemonTests {
    private final class Acknowledged: Sendable {
        let keys = Mutex<Set<String>>([])
        let isUnderWay = Atomic(true)
    }

    private static let servers = Task { try await ReplicaSet(members: 1) }
    private let folder: TemporaryFolder
    private let database = SharedServer.newDatabase()

    init() throws { folder = try TemporaryFolder() }

    private func daemon(_ arguments: String...) async throws -> Daemon {
        let uri = try await Self.servers.value.uri + "&serverSelectionTimeoutMS=500"
        return try await Daemon(
            in: folder,
            [
                "--store", uri, "--mongodb-database", database, "--acknowledge", "local",
                "--alerts-file", folder.path("journal.db"),
            ] + arguments
        )
    }

    /// Adds feedback in several sessions at once, in order within each; returns the comments that
    /// were acknowledged, by session.
    private func add(
        _ count: Int,
        from first: Int = 0,
        to daemon: Daemon
    ) async throws -> [String: [String]] {
        let client = try FeedbackClient(socket: daemon.socket)
        defer { client.close() }
        return try await withThrowingTaskGroup(of: (String, [String]).self) { group in
            for session in 0..<8 {
                group.addTask {
                    var comments: [String] = []
                    for number in first..<(first + count) {
                        let draft = FeedbackDraft(sessionID: "s\(session)", comment: "\(number)")
                        try await client.addFeedback(draft)
                        comments.append(draft.comment)
                    }
                    try await client.updateMetadata(
                        sessionID: "s\(session)",
                        ["from \(first)": .number(Double(count))]
                    )
                    return ("s\(session)", comments)
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private func waitingCount(_ daemon: Daemon) throws -> Int64 {
        struct Status: Decodable {
            let unreplicated: Int64
        }
        let json = Data(try daemon.control("status", "--json").output.utf8)
        return try JSONDecoder().decode(Status.self, from: json).unreplicated
    }

    /// Returns the comments in MongoDB, by session.
    private func stored(_ daemon: Daemon) async throws -> [String: [String]] {
        let client = try FeedbackClient(socket: daemon.socket)
        defer { client.close() }
        var stored: [String: [String]] = [:]
        for session in 0..<8 {
            var query = FeedbackQuery(sessionID: "s\(session)")
            query.pageSize = 1_000
            for try await feedback in client.allFeedbacks(query) {
                stored["s\(session)", default: []].append(feedback.comment)
            }
        }
        return stored
    }

    @Test(
        "MongoDB is away, and the daemon is killed: all that was answered is there once it is back"
    )
    func away() async throws {
        let server = try await Self.servers.value.members[0]
        let first = try await daemon()
        var expected = try await add(20, to: first)
        let isReplicated = try await eventually { try waitingCount(first) == 0 }
        #expect(isReplicated)

        server.kill()
        for (session, comments) in try await add(30, from: 20, to: first) {
            expected[session]? += comments
        }
        #expect(try waitingCount(first) == 8 * 31, "with each session's metadata")
        #expect(try first.control("health").code == 0)
        let list = try first.control("--timeout", "2", "list", "s1")
        #expect(list.code == 1)
        #expect(list.errors.contains("changes wait to be written to MongoDB"))
        first.kill()

        let second = try await daemon()
        for (session, comments) in try await add(10, from: 50, to: second) {
            expected[session]? += comments
        }
        #expect(try waitingCount(second) == 8 * 41)
        try server.start()
        let isBack = try await eventually(within: .seconds(60)) { try waitingCount(second) == 0 }
        #expect(isBack)
        #expect(try await stored(second) == expected)
        let metadata = try second.control("metadata", "get", "s3", "--json").output
        for first in [0, 20, 50] { #expect(metadata.contains("\"from \(first)\"")) }
        #expect(second.terminate() == 0)
        // What is replicated is not replicated again.
        let third = try await daemon()
        #expect(try waitingCount(third) == 0)
        #expect(try await stored(third) == expected)
    }

    @Test("killed at any moment under load, each acknowledged feedback reaches MongoDB once")
    func kills() async throws {
        _ = try await Self.servers.value.primary()
        let acknowledged = Acknowledged()
        for round in 0..<5 {
            let daemon = try await daemon()
            let client = try FeedbackClient(socket: daemon.socket)
            acknowledged.isUnderWay.store(true, ordering: .relaxed)
            await withTaskGroup(of: Void.self) { group in
                for caller in 0..<16 {
                    group.addTask {
                        var number = 0
                        while acknowledged.isUnderWay.load(ordering: .relaxed) {
                            number += 1
                            let key = "\(round) \(caller) \(number)"
                            let draft = FeedbackDraft(
                                sessionID: "s\(caller % 8)",
                                comment: key,
                                requestID: key
                            )
                            let added = try? await client.addFeedback(
                                draft,
                                timeout: .milliseconds(500)
                            )
                            if added != nil { acknowledged.keys.withLock { _ = $0.insert(key) } }
                        }
                    }
                }
                let enough = (round + 1) * 300
                _ = await eventually { acknowledged.keys.withLock { $0.count } >= enough }
                daemon.kill()
                acknowledged.isUnderWay.store(false, ordering: .relaxed)
            }
            client.close()
        }
        let daemon = try await daemon()
        let isReplicated = try await eventually(within: .seconds(60)) {
            try waitingCount(daemon) == 0
        }
        #expect(isReplicated)
        let comments = try await stored(daemon).values.flatMap(\.self)
        #expect(Set(comments).count == comments.count)
        let keys = acknowledged.keys.withLock { $0 }
        #expect(keys.count >= 1_500)
        #expect(keys.isSubset(of: comments))
    }

    @Test("a full journal says so, and nothing of what it has is lost")
    func full() async throws {
        let server = try await Self.servers.value.members[0]
        _ = try await Self.servers.value.primary()
        let daemon = try await daemon("--journal-max", "1048576")
        server.kill()
        let client = try FeedbackClient(socket: daemon.socket)
        let comment = String(repeating: "x", count: 10_000)
        var stored = 0
        var refusal: CallError?
        while refusal == nil, stored < 300 {
            do {
                try await client.addFeedback(sessionID: "s0", comment: comment)
                stored += 1
            } catch {
                refusal = error as? CallError
            }
        }
        #expect(refusal?.code == .resourceExhausted)
        #expect(refusal?.message.hasPrefix("the journal is full (1048576 bytes") == true)
        #expect((90...110).contains(stored))
        try server.start()
        let isBack = try await eventually(within: .seconds(60)) { try waitingCount(daemon) == 0 }
        #expect(isBack)
        try await client.addFeedback(sessionID: "s0", comment: comment)
        let page = try await client.listFeedbacks(FeedbackQuery(sessionID: "s0", pageSize: 1))
        #expect(page.totalSize == Int64(stored) + 1)
        client.close()
    }

    @Test("settings that cannot stand together are refused at the start")
    func refused() async throws {
        let outcome = try Programs.run(
            Programs.path("feedbackd"),
            [
                "--socket", folder.path("d.sock"), "--store", "mongodb://127.0.0.1:1/",
                "--acknowledge", "local", "--missing-session", "reject",
                "--alerts-file", folder.path("journal.db"),
            ]
        )
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("acknowledge: local needs missing_session: create"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("journal.db")))
    }
}
