import FeedbackCore
import FeedbackModel
import Foundation
import Logging
import MongoServers
import MongoStore
import StoreContract
import Synchronization
import TestSupport
import Testing

/// `docs/RELIABILITY.md`, 45 and 48: failures of servers in a replica set of three.
@Suite("MongoDB's servers fail", .serialized)
struct FailoverTests {
    private static let servers = Task { try await ReplicaSet(members: 3) }
    private let servers: ReplicaSet

    init() async throws {
        servers = try await FailoverTests.servers.value
    }

    /// Returns the number of failovers: `FEEDBACKD_CRASH_ROUNDS`, or `count`.
    ///
    /// By default, these tests and `MongoCrashTests` together cause 50.
    private func rounds(_ count: Int) throws -> Int {
        let variable = ProcessInfo.processInfo.environment["FEEDBACKD_CRASH_ROUNDS"]
        return try #require(Int(variable ?? "\(count)"))
    }

    /// Adds feedback with many concurrent callers while the body runs.
    ///
    /// - Returns: the acknowledged feedback, and the codes of the calls that failed.
    private func load(
        _ store: MongoStore,
        _ body: () async throws -> Void
    ) async throws -> (Set<Feedback>, Set<CallError.Code>) {
        let tally = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<32 {
                group.addTask {
                    var number = 0
                    while tally.isUnderWay.load(ordering: .relaxed) {
                        number += 1
                        // Half of the callers use sessions of their own.
                        let group = caller < 16 ? caller % 4 : caller
                        let draft = FeedbackDraft(
                            sessionID: "s\(number % 3) \(group)",
                            requestID: "\(caller) \(number)"
                        )
                        // Clients, too, repeat a call with the same request_id until it is stored.
                        while tally.isUnderWay.load(ordering: .relaxed) {
                            do {
                                let added = try await store.add(draft)
                                tally.acknowledged.withLock { _ = $0.insert(added.feedback) }
                                break
                            } catch let error as CallError {
                                tally.codes.withLock { _ = $0.insert(error.code) }
                            }
                        }
                    }
                }
            }
            defer { tally.isUnderWay.store(false, ordering: .relaxed) }
            try await body()
        }
        return (tally.acknowledged.withLock { $0 }, tally.codes.withLock { $0 })
    }

    /// Expects that all acknowledged feedback is stored, and none twice.
    private func verify(
        _ store: MongoStore,
        _ acknowledged: Set<Feedback>,
        _ codes: Set<CallError.Code>
    ) async throws {
        #expect(codes.isSubset(of: [.unavailable]))
        let stored = try await store.all()
        #expect(acknowledged.isSubset(of: stored))
        let loaded = stored.filter { $0.sessionID != "recovery" }
        let keys = loaded.map { "\($0.sessionID)/\($0.draft.requestID)" }
        #expect(Set(keys).count == keys.count)
    }

    /// Waits until a write succeeds; returns false if none does.
    private func recovered(_ store: MongoStore) async -> Bool {
        await eventually(within: .seconds(40)) {
            (try? await store.add(FeedbackDraft(sessionID: "recovery"))) != nil
        }
    }

    @Test("48: the primary is killed under load, nothing acknowledged is lost or there twice")
    func kill() async throws {
        let rounds = try rounds(5)
        let store = try await TestStore.open(servers.uri)
        let (acknowledged, codes) = try await load(store) {
            for _ in 0..<rounds {
                #expect(await recovered(store))
                let primary = try await servers.primary()
                primary.kill()
                #expect(await recovered(store))
                try primary.start()
            }
        }
        try await verify(store, acknowledged, codes)
        await store.close()
    }

    @Test("48: the primary steps down under load, nothing acknowledged is lost or there twice")
    func stepDown() async throws {
        let rounds = try rounds(15)
        let store = try await TestStore.open(servers.uri)
        let (acknowledged, codes) = try await load(store) {
            for _ in 0..<rounds {
                #expect(await recovered(store))
                try await servers.stepDown()
            }
            #expect(await recovered(store))
        }
        try await verify(store, acknowledged, codes)
        await store.close()
    }

    @Test("a reader of changes goes on after failovers, and sees everything acknowledged")
    func followed() async throws {
        let store = try await TestStore.open(servers.uri)
        let log = try await store.readLog(from: .now, context: CallContext())
        let seen = Mutex<[Feedback]>([])
        let reading = Task {
            while true {
                let page = try await log.next(
                    limit: 100,
                    patience: .seconds(60),
                    context: CallContext()
                )
                seen.withLock { $0 += page.changes.map(\.feedback) }
                if page.changes.contains(where: { $0.feedback.sessionID == "end" }) { return }
            }
        }
        let (acknowledged, _) = try await load(store) {
            for round in 0..<4 {
                #expect(await recovered(store))
                if round.isMultiple(of: 2) {
                    let primary = try await servers.primary()
                    primary.kill()
                    #expect(await recovered(store))
                    try primary.start()
                } else {
                    try await servers.stepDown()
                }
            }
            #expect(await recovered(store))
        }
        _ = try await store.add(FeedbackDraft(sessionID: "end"))
        try await reading.value
        let read = seen.withLock { $0 }
        #expect(acknowledged.isSubset(of: read))
        let stored = try await store.all()
        #expect(Set(read) == Set(stored))
        for session in Set(stored.map(\.sessionID)) {
            let array = try await store.all(FeedbackQuery(sessionID: session))
            var known: Set<Feedback> = []
            let order = read.filter { $0.sessionID == session && known.insert($0).inserted }
            #expect(order == array)
        }
        await log.close()
        #expect(Set(try await store.log(stored.count).map(\.feedback)) == Set(stored))
        await store.close()
    }

    @Test("a reader of changes waits while MongoDB is away, and then goes on")
    func away() async throws {
        let server = try await ReplicaSet(members: 1)
        let store = try await TestStore.open(server.uri)
        let log = try await store.readLog(from: .now, context: CallContext())
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "1"))
        let position = try #require(try await log.read(1).first).position
        server.members[0].kill()
        #expect(await eventually { await store.health() != .serving })
        let page = try await log.next(limit: 1, patience: .zero, context: CallContext())
        #expect(page.changes.isEmpty)
        let code = await errorCode {
            try await store.readLog(from: .after(position), context: CallContext())
        }
        #expect(code == .unavailable)
        try server.members[0].start()
        #expect(
            await eventually {
                (try? await store.add(FeedbackDraft(sessionID: "s", requestID: "2"))) != nil
            }
        )
        #expect(try await log.read(1).map(\.feedback.draft.requestID) == ["2"])
        await log.close()
        let rest = try await store.log(1, from: .after(position))
        #expect(rest.map(\.feedback.draft.requestID) == ["2"])
        await store.close()
    }

    @Test("45: without a primary UNAVAILABLE within the selection timeout, for all who wait")
    func unreachable() async throws {
        let uri = "mongodb://127.0.0.1:1/?replicaSet=tests&serverSelectionTimeoutMS=1000"
        let store = try MongoStore(uri: MongoURI(uri), logger: .silent)
        await withTaskGroup(of: Void.self) { group in
            for caller in 0..<40 {
                group.addTask {
                    let code = await errorCode {
                        if caller.isMultiple(of: 2) {
                            _ = try await store.add(FeedbackDraft(sessionID: "s"))
                        } else {
                            _ = try await store.all()
                        }
                    }
                    #expect(code == .unavailable)
                }
            }
        }
        await store.close()
    }

    @Test("50: when the primary alone is frozen, health finds the next one without waiting for it")
    func nextPrimary() async throws {
        // The timeouts are longer than the test waits.
        let store = try await TestStore.open(
            servers.uri + "&socketTimeoutMS=120000&connectTimeoutMS=120000"
        )
        let frozen = try await servers.primary()
        frozen.freeze()
        #expect(await eventually(within: .seconds(10)) { await store.health() != .serving })
        #expect(await eventually(within: .seconds(60)) { await store.health() == .serving })
        frozen.thaw()
        _ = try await servers.primary()
        #expect(await recovered(store))
        await store.close()
    }

    @Test("health follows the primary, and calls are served again")
    func health() async throws {
        // Noticing takes two seconds, and longer on a busy machine.
        let store = try await TestStore.open(servers.uri)
        for isFrozen in [false, true] {
            let primary = try await servers.primary()
            for member in servers.members where member !== primary { member.freeze() }
            if isFrozen { primary.freeze() } else { primary.kill() }
            #expect(
                await eventually(within: .seconds(8)) { await store.health() != .serving }
            )
            if !isFrozen { try primary.start() }
            for member in servers.members { member.thaw() }
            _ = try await servers.primary()
            #expect(
                await eventually(within: .seconds(8)) { await store.health() == .serving }
            )
            #expect(await recovered(store))
        }
        await store.close()
    }
}

/// The outcomes of the calls.
private final class Tally: Sendable {
    let isUnderWay = Atomic(true)
    let acknowledged = Mutex<Set<Feedback>>([])
    let codes = Mutex<Set<CallError.Code>>([])
}
