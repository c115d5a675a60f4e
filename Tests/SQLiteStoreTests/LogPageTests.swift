import FeedbackCore
import FeedbackModel
import GRDB
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("pages of SQLite's log")
struct LogPageTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Gives a row the next number, as a change does.
    private func change(_ sequence: Int64, _ db: Database) throws {
        try db.execute(
            sql: "UPDATE feedback SET revision = 2, changed = ? WHERE sequence = ?",
            arguments: [try ChangeNumbers.last(db) + 1, sequence]
        )
    }

    /// Reads the pages of the log from the beginning to its end.
    private func pages(_ store: SQLiteStore) async throws -> [LogPage] {
        let log = try await store.readLog(from: .beginning, context: CallContext())
        var pages: [LogPage] = []
        repeat {
            pages.append(
                try await log.next(limit: 100, patience: .zero, context: CallContext())
            )
        } while pages.last?.isAtEnd == false
        return pages
    }

    @Test func a_page_of_large_feedback_is_cut_and_nothing_is_missed() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        let text = String(repeating: "🎉", count: FieldLimits.commentCodePointsMax)
        for _ in 0..<40 { try await store.add(FeedbackDraft(sessionID: "s", comment: text)) }
        // Every third one stands at a later place.
        let changed = (1...40 as ClosedRange<Int64>).filter { $0.isMultiple(of: 3) }
        try await store.database.pool.write { db in
            for sequence in changed { try change(sequence, db) }
        }
        let pages = try await pages(store)
        #expect(pages.count > 5)
        for page in pages {
            let bytes = page.changes.map(\.feedback.comment.utf8.count)
            #expect(bytes.dropLast().reduce(0, +) < LogPage.bytesMax)
        }
        let changes = pages.flatMap(\.changes)
        #expect(
            changes.map(\.kind) == Array(repeating: .added, count: 27)
                + Array(repeating: .updated, count: 13)
        )
        #expect(Set(changes.map(\.feedback.id)).count == 40)
        let numbers = changes.compactMap { $0.position.text.split(separator: "-").last }
            .compactMap { Int($0) }
        #expect(numbers == numbers.sorted())
        await store.close()
    }

    @Test func a_reader_at_the_end_sees_what_another_connection_commits() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(3)
        let log = try await store.readLog(from: .now, context: CallContext())
        let other = try SQLiteStore(path: folder.databasePath)
        for number in 0..<3 {
            async let page = log.next(limit: 9, patience: .seconds(60), context: CallContext())
            try await other.add(FeedbackDraft(sessionID: "t", comment: "\(number)"))
            #expect(try await page.changes.map(\.feedback.comment) == ["\(number)"])
        }
        await other.close()
        await store.close()
    }
}
