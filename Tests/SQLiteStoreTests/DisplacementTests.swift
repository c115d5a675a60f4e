import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import Logging
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

/// Files that are removed or replaced while a store has them open.
struct DisplacementTests {
    private let folder: TemporaryFolder
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryFolder()
    }

    private func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: folder.path(name))
    }

    @Test func a_commit_during_which_the_files_are_missed_is_not_acknowledged() async throws {
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await store.add(1)
        let hasBegun = DispatchSemaphore(value: 0)
        let mayEnd = DispatchSemaphore(value: 0)
        let outcome = Mutex<CallError?>(nil)
        let hasEnded = Mutex(false)
        Thread.detachNewThread {
            do {
                try store.database.write { db in
                    try db.execute(sql: "UPDATE session SET metadata = '{}'")
                    hasBegun.signal()
                    mayEnd.wait()
                }
            } catch {
                outcome.withLock { $0 = error as? CallError }
            }
            hasEnded.withLock { $0 = true }
        }
        #expect(await eventually { hasBegun.wait(timeout: .now()) == .success })
        try remove("feedback.db")
        #expect(await eventually { await store.health() != .serving })
        mayEnd.signal()
        #expect(await eventually { hasEnded.withLock { $0 } })
        #expect(outcome.withLock { $0?.code } == .unavailable)
        #expect(outcome.withLock { $0?.message } == "the database's file was removed")
        await store.close()
    }

    @Test func closing_tells_what_has_happened_since_the_last_look() async throws {
        let failure = Mutex<CallError?>(nil)
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet) { error in
            failure.withLock { $0 = error }
        }
        try await store.add(1)
        try remove("feedback.db")
        await store.close()
        #expect(failure.withLock { $0?.message } == "the database's file was removed")
    }

    @Test func closing_saves_what_a_removed_log_held() async throws {
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await store.add(20)
        #expect(try await store.total() == 20)
        try remove("feedback.db-wal")
        await store.close()
        let next = try SQLiteStore(path: folder.databasePath)
        #expect(try await next.total() == 20)
        try await next.verifyIntegrity()
        await next.close()
    }

    @Test func closing_leaves_the_database_alone_that_is_there_now() async throws {
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await store.add(20)
        for name in ["feedback.db", "feedback.db-wal", "feedback.db-shm"] { try remove(name) }
        let next = try SQLiteStore(path: folder.databasePath)
        try await next.add(3)
        await store.close()
        try await next.add(3)
        #expect(await next.health() == .serving)
        #expect(try await next.total() == 6)
        // Nothing of the log has gone with the former store.
        let log = try FileManager.default.attributesOfItem(atPath: folder.path("feedback.db-wal"))
        #expect(log[.size] as? Int ?? 0 > 0)
        await next.close()
        let last = try SQLiteStore(path: folder.databasePath)
        #expect(try await last.total() == 6)
        try await last.verifyIntegrity()
        await last.close()
    }

    @Test func a_database_that_is_moved_away_takes_its_log_along() async throws {
        let other = try SQLiteStore(path: folder.path("other.db"))
        try await other.add(3)
        await other.close()
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await store.add(20)
        rename(folder.databasePath, folder.path("moved.db"))
        rename(folder.path("other.db"), folder.databasePath)
        await store.close()
        let next = try SQLiteStore(path: folder.databasePath)
        #expect(try await next.total() == 3)
        try await next.verifyIntegrity()
        await next.close()
        // Another process does not share what the former store has still open.
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/usr/bin/sqlite3")
        shell.arguments = [folder.path("moved.db"), "SELECT count(*) FROM feedback"]
        let output = Pipe()
        shell.standardOutput = output
        try shell.run()
        #expect(output.fileHandleForReading.readDataToEndOfFile() == Data("20\n".utf8))
        shell.waitUntilExit()
    }

    @Test func a_symbolic_link_that_leads_elsewhere_is_another_file() async throws {
        let link = folder.path("link.db")
        for name in ["a.db", "b.db"] {
            await (try SQLiteStore(path: folder.path(name))).close()
        }
        symlink(folder.path("a.db"), link)
        let store = try SQLiteStore(path: link, logger: quiet)
        try await store.add(1)
        unlink(link)
        symlink(folder.path("b.db"), link)
        #expect(
            await eventually {
                await store.health() == .notServing("the database's file was replaced by another")
            }
        )
        await store.close()
    }
}
