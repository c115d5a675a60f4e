import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import TestSupport
import Testing

@testable import SQLiteStore

struct OpeningTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func reopening_keeps_everything() async throws {
        var store = try SQLiteStore(path: folder.databasePath)
        let draft = FeedbackDraft(sessionID: "s", rating: .up, comment: "c", requestID: "r")
        let original = try await store.add(draft)
        try await store.commit(.changeMetadata(sessionID: "s", .merge(["k": .bool(true)])))
        await store.close()

        store = try SQLiteStore(path: folder.databasePath)
        let page = try await store.list(FeedbackQuery(pageSize: 10))
        #expect(page == FeedbackPage(feedbacks: [original.feedback], totalSize: 1))
        #expect(try await store.metadata(ofSession: "s") == ["k": .bool(true)])
        let repeated = try await store.add(draft)
        #expect(repeated == AddedFeedback(feedback: original.feedback, replayed: true))
        let metrics = try await store.metrics(MetricsQuery()).metrics
        #expect(metrics == Metrics(positive: 1, commentCodePoints: 1))
        await store.close()
    }

    @Test(arguments: [
        // Nobody can make a folder there.
        ("/proc/feedbackd/f.db", "the folder /proc/feedbackd cannot be made: "),
        ("/dev/null/f.db", "cannot be looked at: Not a directory"),
    ])
    func a_place_that_cannot_be_is_named_with_the_reason(_ path: String, _ reason: String) {
        #expect {
            try SQLiteStore(path: path)
        } throws: {
            ($0 as? CallError)?.message.hasPrefix("\(path): \(reason)") == true
        }
    }

    @Test func missing_folders_are_made_for_the_owner_alone() async throws {
        let store = try SQLiteStore(path: folder.path("a/b/f.db"))
        await store.close()
        for made in ["a", "a/b"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(made))
            #expect(attributes[.posixPermissions] as? Int == 0o700)
        }
    }

    @Test func what_was_acknowledged_while_closing_is_there_after_reopening() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        let errors = await withTaskGroup(of: CallError?.self) { group in
            for number in 0..<200 {
                let draft = FeedbackDraft(sessionID: "s", requestID: "\(number)")
                group.addTask { await feedbackError { try await store.add(draft) } }
            }
            await store.close()
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(errors.allSatisfy { $0 == nil || $0?.code == .unavailable })
        let reopened = try SQLiteStore(path: folder.databasePath)
        #expect(try await reopened.total() == errors.filter { $0 == nil }.count)
        await reopened.close()
    }

    @Test func a_file_keeps_the_size_of_pages_that_it_was_made_with() async throws {
        var store = try SQLiteStore(path: folder.databasePath)
        #expect(try await store.bytesPerPage() == SQLiteSchema.pageBytes)
        await store.close()

        let path = folder.path("older.db")
        try SQLiteSchema.makeDatabase(at: path, ofVersion: "v1").close()
        store = try SQLiteStore(
            path: path,
            limits: SQLiteStoreLimits(walBytesBeforeCheckpoint: 80 << 10)
        )
        try await store.add(100)
        #expect(try await store.bytesPerPage() == 4_096)
        #expect(try await store.total() == 100)
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test func page_tokens_survive_reopening() async throws {
        var store = try SQLiteStore(path: folder.databasePath)
        try await store.add(3)
        var query = FeedbackQuery(sessionID: "s", pageSize: 2)
        query.pageToken = try await store.list(query).nextPageToken
        await store.close()

        store = try SQLiteStore(path: folder.databasePath)
        #expect(try await store.list(query).feedbacks.map(\.comment) == ["2"])
        await store.close()
    }

    @Test func a_closed_database_is_whole_in_one_file_that_only_its_owner_may_read() async throws {
        let path = folder.path("new/directory/feedback.db")
        let store = try SQLiteStore(path: path)
        try await store.add(1)
        #expect(try await store.total() == 1)
        for name in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + name)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
        await store.close()
        let parent = folder.path("new/directory")
        let attributes = try FileManager.default.attributesOfItem(atPath: parent)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
        let wal = try? FileManager.default.attributesOfItem(atPath: path + "-wal")
        #expect((wal?[.size] as? Int ?? 0) == 0)
    }

    @Test func an_empty_file_becomes_a_database() async throws {
        try folder.write(Data())
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(1)
        await store.close()
    }

    @Test func every_commit_is_synced() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        let (synchronous, journal, id) = try store.database.write { db in
            (
                try Int.fetchOne(db, sql: "PRAGMA synchronous"),
                try String.fetchOne(db, sql: "PRAGMA journal_mode"),
                try Int64.fetchOne(db, sql: "PRAGMA application_id")
            )
        }
        #expect(synchronous == 2)
        #expect(journal == "wal")
        #expect(id == 0x4642_4B44)
        await store.close()
    }

    @Test func a_text_file_is_refused_untouched() async throws {
        for text in ["short", String(repeating: "not a database\n", count: 1_000)] {
            try folder.write(Data(text.utf8))
            try refusal(.failedPrecondition, "is not an SQLite database")
        }
    }

    @Test func another_programs_database_is_refused_untouched() async throws {
        let other = try DatabaseQueue(path: folder.databasePath)
        try await other.write { try $0.execute(sql: "CREATE TABLE song (title TEXT)") }
        try other.close()
        try refusal(.failedPrecondition, "is the database of another program")
    }

    @Test func another_programs_database_in_WAL_mode_is_refused_untouched() async throws {
        let other = try DatabasePool(path: folder.databasePath)
        try await other.write {
            try $0.execute(sql: "CREATE TABLE song (title TEXT)")
            try $0.execute(sql: "PRAGMA application_id = 7")
        }
        try other.close()
        try refusal(.failedPrecondition, "application_id 7")
    }

    @Test func a_newer_database_is_refused_untouched() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try store.database.write {
            try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('v999')")
        }
        await store.close()
        try refusal(.failedPrecondition, "newer version")
    }

    @Test func a_database_with_the_former_keys_gets_the_present_ones() async throws {
        let path = folder.databasePath
        let old = try SQLiteSchema.makeDatabase(at: path, ofVersion: "v2")
        try await old.write { db in
            try db.execute(
                sql: """
                    INSERT INTO session (id, session_id) VALUES (1, 'a'), (2, 'b');
                    INSERT INTO feedback (session, request_id, rating, created_at)
                        VALUES (1, 'r', 1, 0), (2, 'r', 2, 1), (1, 'q', 0, 3600000);
                    INSERT INTO session_total
                        SELECT session, sum(rating = 0), 0, sum(rating = 1), 0, sum(rating = 2), 0, 0
                        FROM (SELECT 0 AS session, rating FROM feedback
                            UNION ALL SELECT session, rating FROM feedback) GROUP BY session;
                    INSERT INTO hour_total
                        SELECT session, created_at / 3600000, sum(rating = 0), 0, sum(rating = 1), 0,
                            sum(rating = 2), 0, 0, min(sequence), max(sequence)
                        FROM (SELECT 0 AS session, rating, created_at, sequence FROM feedback
                            UNION ALL SELECT session, rating, created_at, sequence FROM feedback)
                        GROUP BY 1, 2;
                    """
            )
        }
        try old.close()

        let store = try SQLiteStore(path: path)
        try await store.verifyIntegrity()
        let repeated = try await store.add(FeedbackDraft(sessionID: "b", requestID: "r"))
        #expect(repeated.replayed)
        #expect(repeated.feedback.rating == .down)
        let added = try await store.add(FeedbackDraft(sessionID: "b", requestID: "q"))
        #expect(!added.replayed)
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test(arguments: [nil, "v1", "v2", "v3", "v4"])
    func stores_that_are_opened_at_once_wait_for_the_one_that_makes_the_tables(
        _ version: String?
    ) async throws {
        for _ in 0..<5 {
            let folder = try TemporaryFolder()
            if let version {
                try SQLiteSchema.makeDatabase(at: folder.databasePath, ofVersion: version).close()
            }
            let stores = try await withThrowingTaskGroup(of: SQLiteStore.self) { group in
                for _ in 0..<4 {
                    group.addTask { try SQLiteStore(path: folder.databasePath) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for store in stores { try await store.add(1) }
            #expect(try await stores[0].total() == 4)
            for store in stores { await store.close() }
        }
    }

    @Test func an_opening_that_takes_long_elsewhere_is_named() async throws {
        let lock = try FileLock(folder: folder.path, timeout: .zero)
        let limits = SQLiteStoreLimits(openTimeout: .milliseconds(20))
        let error = await feedbackError {
            try SQLiteStore(path: folder.databasePath, limits: limits)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("another process is opening a database") == true)
        #expect(error?.message.hasPrefix(folder.databasePath) == true)
        withExtendedLifetime(lock) {}
    }

    @Test func a_truncated_database_is_refused_untouched() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(200)
        await store.close()
        let whole = try folder.bytes()
        try folder.write(whole.prefix(whole.count / 2))
        try refusal(.dataLoss, "damaged")
    }

    @Test func a_directory_is_refused() throws {
        #expect {
            try SQLiteStore(path: folder.path)
        } throws: {
            ($0 as? CallError)?.message.contains(folder.path) == true
        }
    }

    @Test func a_start_that_was_interrupted_is_taken_up() async throws {
        // The header has been written, the tables have not.
        let unfinished = try DatabasePool(path: folder.databasePath)
        try await unfinished.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA application_id = \(SQLiteSchema.applicationID)")
            try $0.execute(
                sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)"
            )
        }
        try unfinished.close()
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(1)
        await store.close()
    }

    @Test func a_process_that_was_killed_leaves_what_it_committed() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(50)
        // The copies are what SIGKILL leaves: the files as they are, without a close.
        let copy = try TemporaryFolder()
        for name in ["feedback.db", "feedback.db-wal"] {
            try FileManager.default.copyItem(
                atPath: folder.path(name),
                toPath: copy.path(name)
            )
        }
        await store.close()
        let reopened = try SQLiteStore(path: copy.databasePath)
        #expect(try await reopened.total() == 50)
        await reopened.close()
    }

    /// Expects that opening fails with the code, that the error names the path and the fault, and
    /// that the file is unchanged.
    private func refusal(
        _ code: CallError.Code,
        _ fault: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try folder.bytes()
        #expect(sourceLocation: sourceLocation) {
            _ = try SQLiteStore(path: folder.databasePath)
        } throws: { error in
            guard let error = error as? CallError else { return false }
            return error.code == code && error.message.contains(folder.databasePath)
                && error.message.contains(fault)
        }
        #expect(try folder.bytes() == before, sourceLocation: sourceLocation)
    }
}

extension SQLiteStore {
    fileprivate func bytesPerPage() async throws -> Int? {
        try await database.read { try Int.fetchOne($0, sql: "PRAGMA page_size") }
    }
}
