import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import Logging
import StoreContract
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

struct FaultTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func a_lock_held_beyond_the_timeout_is_UNAVAILABLE_and_passes() async throws {
        let limits = SQLiteStoreLimits(busyTimeout: .milliseconds(50))
        let store = try SQLiteStore(path: folder.databasePath, limits: limits)
        try await store.add(1)
        let other = try otherConnection()
        try other.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
        let error = await feedbackError { try await store.add(1) }
        #expect(error?.code == .unavailable)
        #expect(try await store.total() == 1)
        #expect(await store.health() == .serving)
        try other.inDatabase { try $0.execute(sql: "ROLLBACK") }
        try await store.add(1)
        #expect(try await store.total() == 2)
        try other.close()
        await store.close()
    }

    @Test func opening_a_locked_database_is_UNAVAILABLE() async throws {
        let limits = SQLiteStoreLimits(busyTimeout: .milliseconds(50))
        let store = try SQLiteStore(path: folder.databasePath)
        await store.close()
        let other = try otherConnection()
        try other.inDatabase { try $0.execute(sql: "BEGIN EXCLUSIVE") }
        let error = await feedbackError {
            try SQLiteStore(path: folder.databasePath, limits: limits)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains(folder.databasePath) == true)
        try other.inDatabase { try $0.execute(sql: "ROLLBACK") }
        try other.close()
    }

    @Test func two_stores_on_one_file_see_each_others_commits() async throws {
        let first = try SQLiteStore(path: folder.databasePath)
        let second = try SQLiteStore(path: folder.databasePath)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for store in [first, second] {
                group.addTask { try await store.add(30) }
            }
            try await group.waitForAll()
        }
        for store in [first, second] {
            #expect(try await store.total() == 60)
            try await store.verifyCounters()
        }
        await first.close()
        await second.close()
    }

    @Test func a_full_database_refuses_the_whole_batch_and_recovers() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(5)
        let before = try await store.total()
        // The database must not grow, which SQLite reports like a full disk.
        try store.database.write { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        let large = FeedbackDraft(
            sessionID: "s",
            comment: String(repeating: "x", count: 100_000),
            requestID: "r"
        )
        let small = FeedbackDraft(sessionID: "new", requestID: "r")
        let writes = [small, large, small].map { StoreWrite.change(.any(.add($0))) }
        let results = WriteTransaction.commit(writes, to: store.database)
        for result in results {
            guard case .refused(let error as CallError) = result else {
                Issue.record("it was taken")
                continue
            }
            #expect(error.code == .resourceExhausted)
            #expect(error.message == "the disk is full")
        }
        #expect(try await store.total() == before)
        #expect(try await store.metadata(ofSession: "new") == nil)
        #expect(await store.health() == .serving)

        try store.database.write { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        #expect(try await store.add(large).replayed == false)
        #expect(try await store.total() == before + 1)
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test(.enabled(if: SmallDisk.canBeMounted, "mounting a tmpfs needs root"))
    func a_full_disk_refuses_writes_serves_reads_and_recovers() async throws {
        let disk = try SmallDisk(kibibytes: 1_024)
        let limits = SQLiteStoreLimits(walBytesBeforeCheckpoint: 200 << 10)
        let store = try SQLiteStore(path: "\(disk.path)/feedback.db", limits: limits)
        let filler = disk.path + "/filler"
        try Data(count: 300 * 1_024).write(to: URL(fileURLWithPath: filler))
        let text = String(repeating: "x", count: 4_000)
        var stored: Int64 = 0
        var refusal: CallError?
        while refusal == nil, stored < 2_000 {
            let draft = FeedbackDraft(sessionID: "s", comment: text, requestID: "\(stored)")
            refusal = await feedbackError { try await store.add(draft) }
            if refusal == nil { stored += 1 }
        }
        #expect(refusal?.code == .resourceExhausted)
        #expect(try await store.total() == stored)
        #expect(await store.health() == .serving)

        try FileManager.default.removeItem(atPath: filler)
        let draft = FeedbackDraft(sessionID: "s", comment: text, requestID: "\(stored)")
        #expect(try await store.add(draft).replayed == false)
        #expect(try await store.total() == stored + 1)
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test func damage_found_by_a_read_is_DATA_LOSS_and_stops_the_store() async throws {
        try await makeDatabase(damaging: "session_total")
        let lines = LogLines()
        let logger = Logger(label: "test") { _ in LineLog(lines: lines) }
        let store = try SQLiteStore(path: folder.databasePath, logger: logger)
        #expect(await store.health() == .serving)
        for _ in 0..<2 {
            let error = await feedbackError { try await store.total() }
            #expect(error?.code == .dataLoss)
        }
        #expect(await store.health() != .serving)
        #expect(await feedbackError { try await store.add(1) }?.code == .dataLoss)
        #expect(lines.all.count { $0.contains("stops serving") } == 1)
        await store.close()
    }

    @Test func damage_found_by_a_write_is_DATA_LOSS_and_stops_the_store() async throws {
        try await makeDatabase(damaging: "feedback_session")
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let store = try SQLiteStore(path: folder.databasePath, logger: logger)
        #expect(await feedbackError { try await store.add(1) }?.code == .dataLoss)
        #expect(await store.health() != .serving)
        // The undamaged parts can still be read.
        #expect(try await store.total() == 500)
        await store.close()
    }

    /// Makes a database in which the first page of the named table or index is overwritten with
    /// garbage.
    private func makeDatabase(damaging name: String) async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(500)
        let page = try await store.database.read {
            try Int.fetchOne(
                $0,
                sql: "SELECT rootpage FROM sqlite_master WHERE name = ?",
                arguments: [name]
            )
        }
        await store.close()
        let size = SQLiteSchema.pageBytes
        let end = try #require(page) * size
        var bytes = try folder.bytes()
        bytes.replaceSubrange((end - size)..<end, with: Data(repeating: 0xA5, count: size))
        try folder.write(bytes)
    }

    @Test func an_error_names_no_statement_and_no_value() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try store.database.write { try $0.execute(sql: "DROP TABLE session_total") }
        let secret = "a secret comment"
        let error = await feedbackError {
            try await store.add(FeedbackDraft(sessionID: "s", comment: secret))
        }
        #expect(error?.code == .internal)
        let texts = ["\(String(describing: error))", "\(String(describing: error?.cause))"]
        for text in texts {
            #expect(!text.contains(secret))
            #expect(!text.contains("INSERT"))
        }
        await store.close()
    }

    @Test func a_refusal_leaves_its_neighbours_in_the_batch_alone() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        func append(_ session: String, _ policy: MissingSessionPolicy) -> StoreWrite {
            let draft = FeedbackDraft(sessionID: session, requestID: "r")
            return .change(.any(.add(draft), missingSession: policy))
        }
        func merge(_ session: String, _ metadata: Metadata) -> StoreWrite {
            .change(.any(.changeMetadata(sessionID: session, .merge(metadata))))
        }
        let large: Metadata = ["k": .string(String(repeating: "x", count: 70_000))]
        let results = WriteTransaction.commit(
            [
                append("a", .create), append("b", .reject), append("a", .reject),
                merge("c", large), merge("d", ["k": .number(.nan)]),
                append("e", .create),
            ],
            to: store.database
        )
        let outcomes = results.map { result -> String in
            switch result {
            case .done(.changed(.added(let added))): added.replayed ? "replayed" : "added"
            case .done(.changed(.metadata)), .done(.noted): "changed"
            case .refused(let error): (error as? CallError)?.code.name ?? "\(error)"
            case .undecided: "undecided"
            }
        }
        #expect(
            outcomes == [
                "added", "NOT_FOUND", "replayed", "INVALID_ARGUMENT", "INTERNAL", "added",
            ]
        )
        #expect(try await store.total() == 2)
        for session in ["b", "c", "d"] {
            #expect(try await store.metadata(ofSession: session) == nil)
        }
        try await store.verifyCounters()
        await store.close()
    }

    /// Returns a connection that keeps its transaction open, as another process may.
    private func otherConnection() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        return try DatabaseQueue(path: folder.databasePath, configuration: configuration)
    }
}

/// A file system of a given size.
private final class SmallDisk {
    let folder: TemporaryFolder

    /// True if file systems can be mounted, which only root may do, and not in every container.
    static let canBeMounted: Bool = {
        guard getuid() == 0 else { return false }
        return (try? SmallDisk(kibibytes: 64)) != nil
    }()

    init(kibibytes: Int) throws {
        folder = try TemporaryFolder()
        let options = "size=\(kibibytes)k"
        guard mount("tmpfs", folder.path, "tmpfs", 0, options) == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EPERM)
        }
    }

    var path: String { folder.path }

    deinit {
        umount2(folder.path, CInt(MNT_DETACH))
    }
}

private final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct LineLog: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(lines: LogLines) {
        self.lines = lines
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.add("\(event.message)")
    }
}
