import FeedbackCore
import FeedbackModel
import GRDB
import TestSupport
import Testing

@testable import SQLiteStore

struct QueryPlanTests {
    @Test(arguments: [false, true])
    func a_page_is_found_by_an_index_in_order(_ newestFirst: Bool) async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.databasePath)
        try await store.add(3)
        let range = TimeRange(from: Timestamp(millisecondsSinceEpoch: 0))
        let cases: [(FeedbackQuery, String)] = [
            (
                FeedbackQuery(sessionID: "s"),
                "USING INDEX feedback_session (session=? AND rowid>? AND rowid<?)"
            ),
            (
                FeedbackQuery(sessionID: "s", ratings: [.up], created: range, hasComment: true),
                "USING INDEX feedback_session (session=? AND rowid>? AND rowid<?)"
            ),
            (FeedbackQuery(), "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (FeedbackQuery(created: range), "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (
                FeedbackQuery(messageID: "m"),
                "USING INDEX feedback_message (message_id=? AND rowid>? AND rowid<?)"
            ),
            (
                FeedbackQuery(sessionID: "s", messageID: "m"),
                "USING INDEX feedback_message (message_id=? AND rowid>? AND rowid<?)"
            ),
        ]
        for (query, expected) in cases {
            var query = query
            query.newestFirst = newestFirst
            let steps = try await store.database.read { [query] db -> [String] in
                let session = try SessionTable.number(filter: query.filter.sessionID, db) ?? -1
                guard let list = try FeedbackList(query, session: session, db) else { return [] }
                return try plan(list.pageSQL, db)
            }
            #expect(steps.first == "SEARCH feedback \(expected)", "\(query)")
            #expect(!steps.contains { $0.contains("TEMP B-TREE") }, "\(steps)")
            // Apart from the index, only the sessions' names are looked up.
            #expect(steps.dropFirst().allSatisfy { !$0.hasPrefix("SCAN") }, "\(steps)")
        }
        await store.close()
    }

    @Test func the_lookups_of_an_add_use_indexes() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.databasePath)
        let plans = try await store.database.read { db in
            try [
                "SELECT id FROM session WHERE session_id = ?",
                "SELECT 1 FROM feedback WHERE session = ? AND request_id = ?",
            ].flatMap { try plan($0, db) }
        }
        #expect(plans.count == 2)
        #expect(plans.allSatisfy { $0.hasPrefix("SEARCH") })
        await store.close()
    }

    @Test func the_hours_of_a_session_are_found_by_those_that_there_are() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.databasePath)
        let steps = try await store.database.read { db in
            try plan("SELECT hour_total.hour \(CounterTables.fromHours)", db)
        }
        #expect(
            steps == [
                "SEARCH every USING COVERING INDEX hour_total_every (hour>? AND hour<?)",
                "SEARCH hour_total USING PRIMARY KEY (hour=? AND session=?)",
            ]
        )
        await store.close()
    }
}

/// Returns SQLite's query plan, line by line.
private func plan(_ sql: String, _ db: Database) throws -> [String] {
    let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN \(sql)")
    // The values of the parameters do not change the plan, but are required.
    let count = sql.split(separator: "?", omittingEmptySubsequences: false).count - 1
    let arguments = StatementArguments(Array(repeating: 1, count: count))
    return try Row.fetchAll(statement, arguments: arguments).map { $0["detail"] }
}
