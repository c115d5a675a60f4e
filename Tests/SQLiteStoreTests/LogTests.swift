import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("the change log in SQLite")
struct LogTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test("a changed feedback stands in the log once, at its last change")
    func changed() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(4)
        try await store.change("0", revision: 2)
        try await store.change("2", revision: 2)
        try await store.change("0", revision: 3)
        try await store.add(FeedbackDraft(sessionID: "s", comment: "4"))
        let changes = try await store.changes()
        #expect(changes.map(\.feedback.comment) == ["1", "3", "2", "0", "4"])
        #expect(changes.map(\.kind) == [.added, .added, .updated, .updated, .added])
        // Whoever has seen the first change of all gets the others again, at their new places.
        let rest = try await store.changes(after: changes[0].position)
        #expect(rest.map(\.feedback.comment) == ["3", "2", "0", "4"])
        // Small pages hit every border between those that were changed and those that were not.
        #expect(try await store.changes(limit: 1) == changes)
        #expect(try await store.changes(limit: 2) == changes)
        await store.close()
    }

    @Test("no number is used twice, whatever was written last before a new start")
    func numbers() async throws {
        var given: Set<Int64> = []
        for round in 0..<4 {
            let store = try SQLiteStore(path: folder.databasePath)
            try await store.add(2, session: "\(round)")
            let pair = FeedbackDraft(sessionID: "\(round)", requestID: "r")
            try await store.add(pair)
            try await store.add(pair)
            if round.isMultiple(of: 2) {
                let change = Change.changeMetadata(
                    sessionID: "\(round)",
                    .merge(["k": .bool(true)])
                )
                try await store.commit(change)
            }
            let numbers = try await store.numbers()
            #expect(Set(numbers).count == numbers.count)
            #expect(given.isSubset(of: numbers))
            let new = Set(numbers).subtracting(given)
            if let last = given.max() { #expect(new.allSatisfy { $0 > last }) }
            given.formUnion(numbers)
            await store.close()
        }
    }

    @Test("two processes give no number twice and each reads the other's changes")
    func twoStores() async throws {
        let one = try SQLiteStore(path: folder.databasePath)
        let other = try SQLiteStore(path: folder.databasePath)
        let log = try await one.readLog(from: .beginning, context: CallContext())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, store) in [("one", one), ("other", other)] {
                group.addTask {
                    for number in 0..<50 {
                        try await store.add(
                            FeedbackDraft(sessionID: name, comment: "\(name) \(number)")
                        )
                        let change = MetadataChange.merge(["n": .number(Double(number))])
                        try await store.commit(.changeMetadata(sessionID: name, change))
                    }
                }
            }
            try await group.waitForAll()
        }
        var comments: [String] = []
        while comments.count < 100 {
            let page = try await log.next(
                limit: 7,
                patience: .seconds(20),
                context: CallContext()
            )
            guard !page.changes.isEmpty else { break }
            comments += page.changes.map(\.feedback.comment)
        }
        for name in ["one", "other"] {
            #expect(
                comments.filter { $0.hasPrefix("\(name) ") } == (0..<50).map { "\(name) \($0)" }
            )
        }
        let numbers = try await one.numbers()
        #expect(Set(numbers).count == numbers.count)
        // The positions of one are those of the other.
        let position = try await one.changes().last?.position
        try await other.add(FeedbackDraft(sessionID: "new"))
        #expect(try await other.changes(after: position).map(\.feedback.sessionID) == ["new"])
        await one.close()
        await other.close()
    }

    @Test("a position holds after a new start")
    func restart() async throws {
        var store = try SQLiteStore(path: folder.databasePath)
        try await store.add(3)
        let changes = try await store.changes()
        await store.close()
        store = try SQLiteStore(path: folder.databasePath)
        #expect(try await store.changes() == changes)
        let rest = try await store.changes(after: changes[1].position)
        #expect(rest == [changes[2]])
        await store.close()
    }

    @Test("a position of a database that was put back from a copy is refused, for ever")
    func restored() async throws {
        let copy = folder.path("copy.db")
        var store = try SQLiteStore(path: folder.databasePath)
        try await store.add(2)
        let early = try #require(try await store.changes().last).position
        await store.close()
        try FileManager.default.copyItem(atPath: folder.databasePath, toPath: copy)
        store = try SQLiteStore(path: folder.databasePath)
        try await store.add(2)
        let late = try #require(try await store.changes().last).position
        await store.close()
        try FileManager.default.removeItem(atPath: folder.databasePath)
        try FileManager.default.moveItem(atPath: copy, toPath: folder.databasePath)

        store = try SQLiteStore(path: folder.databasePath)
        try await store.add(10)
        for position in [early, late] {
            let error = await feedbackError {
                try await store.readLog(from: .after(position), context: CallContext())
            }
            #expect(error?.code == .outOfRange)
            #expect(error?.message.contains("begin again without a position") == true)
        }
        let last = try #require(try await store.changes().last).position
        await store.close()
        // The new history keeps its epoch.
        store = try SQLiteStore(path: folder.databasePath)
        #expect(try await store.changes(after: last).isEmpty)
        await store.close()
    }

    @Test("a position that was not reached, or is no longer kept, is refused")
    func outOfRange() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(5)
        let epoch = store.database.epoch
        for number in [6, Int64.max] {
            let code = await feedbackError {
                try await store.readLog(
                    from: .after(epoch.position(number)),
                    context: CallContext()
                )
            }?.code
            #expect(code == .outOfRange)
        }
        let log = try await store.readLog(from: .after(epoch.position(1)), context: CallContext())
        try await store.database.pool.write { db in
            try db.execute(sql: "UPDATE change_log SET purged = 3")
        }
        #expect(
            await feedbackError {
                try await log.next(limit: 9, patience: .zero, context: CallContext())
            }?.code == .outOfRange
        )
        #expect(try await store.changes().map(\.feedback.comment) == ["3", "4"])
        #expect(try await store.changes(after: epoch.position(3)).count == 2)
        await store.close()
    }

    @Test("changes are found by indexes, without sorting")
    func plans() async throws {
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(3)
        let plans = try await store.database.read { db in
            try [FeedbackTable.addedSQL, FeedbackTable.changedSQL].map { sql in
                try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN \(sql)", arguments: [1, 1])
                    .map { $0["detail"] as String }.joined(separator: "; ")
            }
        }
        #expect(plans[0].hasPrefix("SEARCH feedback USING INTEGER PRIMARY KEY (rowid>?)"))
        #expect(plans[1].hasPrefix("SEARCH feedback USING INDEX feedback_changed (changed>?)"))
        for plan in plans { #expect(!plan.contains("B-TREE")) }
        await store.close()
    }
}

extension SQLiteStore {
    /// Reads the whole log from a position on, or from the beginning.
    fileprivate func changes(
        after position: LogPosition? = nil,
        limit: Int = 100
    ) async throws -> [FeedbackChange] {
        let start = position.map(LogStart.after) ?? .beginning
        let log = try await readLog(from: start, context: CallContext())
        var changes: [FeedbackChange] = []
        while true {
            let page = try await log.next(limit: limit, patience: .zero, context: CallContext())
            changes += page.changes
            if page.isAtEnd { return changes }
        }
    }

    /// Changes the feedback with the comment, as a later version of this program does.
    func change(_ comment: String, revision: Int64) async throws {
        let numbers = database.numbers
        _ = try database.write { db in
            try db.execute(
                sql: "UPDATE feedback SET changed = ?, revision = ? WHERE comment = ?",
                arguments: [numbers.next(), revision, comment]
            )
        }
    }

    /// The numbers of all feedback, and of the changes of sessions.
    fileprivate func numbers() async throws -> [Int64] {
        try await database.read { db in
            try Int64.fetchAll(
                db,
                sql: """
                    SELECT sequence FROM feedback
                    UNION ALL SELECT changed FROM session WHERE changed IS NOT NULL
                    """
            )
        }
    }
}
