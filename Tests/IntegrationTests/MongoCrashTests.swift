import FeedbackClient
import Foundation
import MongoServers
import Synchronization
import TestSupport
import Testing

/// `docs/RELIABILITY.md`, 48 and 50, as the daemon's clients see it.
@Suite("MongoDB's primary goes while the daemon is under load", .serialized)
struct MongoCrashTests {
    private static let servers = Task { try await ReplicaSet(members: 3) }

    private struct Tally {
        /// The identifiers of the acknowledged feedback, by the names of the calls.
        var acknowledged: [String: String] = [:]
        var codes: [CallError.Code: Int] = [:]
        var longest = Duration.zero
    }

    private final class Load: Sendable {
        let tally = Mutex(Tally())
        let isUnderWay = Atomic(true)
    }

    private static let timeout = Duration.seconds(4)

    /// Adds feedback with 32 concurrent callers until the body returns.
    private func load(
        _ daemon: Daemon,
        _ body: (_ acknowledged: () -> Int) async throws -> Void
    ) async throws -> Tally {
        let load = Load()
        let client = try FeedbackClient(socket: daemon.socket)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<32 {
                group.addTask {
                    var number = 0
                    while load.isUnderWay.load(ordering: .relaxed) {
                        number += 1
                        // Lists contain no request_ids: a call that was stored twice is recognized
                        // by its comment.
                        let call = "\(caller) \(number)"
                        // Half of the callers use sessions of their own.
                        let owner = caller < 16 ? "all" : "\(caller)"
                        let draft = FeedbackDraft(
                            sessionID: "s\(number % 5) of \(owner)",
                            comment: call,
                            requestID: call
                        )
                        let start = ContinuousClock.now
                        let result: Result<AddedFeedback, any Error>
                        do {
                            result = .success(
                                try await client.addFeedback(draft, timeout: Self.timeout)
                            )
                        } catch {
                            result = .failure(error)
                        }
                        let time = ContinuousClock.now - start
                        load.tally.withLock { tally in
                            tally.longest = max(tally.longest, time)
                            switch result {
                            case .success(let added):
                                let id = added.feedback.id?.description ?? "?"
                                tally.acknowledged[call] = id
                            case .failure(let error):
                                let code = (error as? CallError)?.code ?? .unknown
                                tally.codes[code, default: 0] += 1
                            }
                        }
                    }
                }
            }
            defer { load.isUnderWay.store(false, ordering: .relaxed) }
            try await body { load.tally.withLock { $0.acknowledged.count } }
        }
        client.close()
        return load.tally.withLock { $0 }
    }

    /// The variable `FEEDBACKD_CRASH_ROUNDS` sets the number of rounds.
    @Test("48: killed and started again, 30 times, what is acknowledged is there exactly once")
    func kills() async throws {
        let variable = ProcessInfo.processInfo.environment["FEEDBACKD_CRASH_ROUNDS"]
        let rounds = try #require(Int(variable ?? "30"))
        let servers = try await Self.servers.value
        let database = SharedServer.newDatabase()
        let arguments = ["--store", servers.uri, "--mongodb-database", database]
        let daemon = try await Daemon(in: TemporaryFolder(), arguments)
        let tally = try await load(daemon) { acknowledged in
            for _ in 0..<rounds {
                let before = acknowledged()
                #expect(await eventually(within: .seconds(40)) { acknowledged() > before + 100 })
                let primary = try await servers.primary()
                primary.kill()
                try primary.start()
            }
            let before = acknowledged()
            #expect(await eventually(within: .seconds(40)) { acknowledged() > before })
        }
        #expect(Set(tally.codes.keys).isSubset(of: [.unavailable, .deadlineExceeded]))
        #expect(tally.longest < Self.timeout + .seconds(5))
        let client = try FeedbackClient(socket: daemon.socket)
        var stored: [Feedback] = []
        for try await feedback in client.allFeedbacks(FeedbackQuery(pageSize: 1_000)) {
            stored.append(feedback)
        }
        let ids = Dictionary(
            stored.map { ($0.comment, $0.id?.description ?? "") },
            uniquingKeysWith: { first, _ in first }
        )
        #expect(ids.count == stored.count)
        #expect(tally.acknowledged.allSatisfy { ids[$0.key] == $0.value })
        client.close()
        #expect(daemon.terminate() == 0)
    }

    @Test("50: frozen by SIGSTOP, calls end with DEADLINE_EXCEEDED on time")
    func frozen() async throws {
        let servers = try await Self.servers.value
        let database = SharedServer.newDatabase()
        let arguments = ["--store", servers.uri, "--mongodb-database", database]
        let daemon = try await Daemon(in: TemporaryFolder(), arguments)
        let client = try FeedbackClient(socket: daemon.socket)
        try await client.addFeedback(sessionID: "s")
        for member in servers.members { member.freeze() }
        for _ in 0..<3 {
            let start = ContinuousClock.now
            async let write = code {
                try await client.addFeedback(sessionID: "s", timeout: .seconds(1))
            }
            async let read = code { try await client.listFeedbacks(timeout: .seconds(1)) }
            #expect(await [write, read] == [.deadlineExceeded, .deadlineExceeded])
            #expect(ContinuousClock.now - start < .seconds(5))
        }
        for member in servers.members { member.thaw() }
        #expect(
            await eventually(within: .seconds(40)) {
                await code { try await client.addFeedback(sessionID: "s") } == nil
            }
        )
        client.close()
        #expect(daemon.terminate() == 0)
    }

    private func code<T>(_ body: () async throws -> T) async -> CallError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? CallError)?.code
        }
    }
}
