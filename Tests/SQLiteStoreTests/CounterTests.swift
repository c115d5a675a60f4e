import FeedbackCore
import FeedbackModel
import GRDB
import TestSupport
import Testing

@testable import SQLiteStore

struct CounterTests {
    @Test func counters_equal_a_recount_and_the_file_is_whole() async throws {
        let folder = try TemporaryFolder()
        let limits = SQLiteStoreLimits(walBytesBeforeCheckpoint: 80 << 10)
        let store = try SQLiteStore(path: folder.databasePath, limits: limits)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<300 {
                let draft = FeedbackDraft(
                    sessionID: "s\(index % 7)",
                    rating: Rating.allCases[index % 3],
                    comment: index % 2 == 0 ? "" : "comment \u{1F600}",
                    requestID: "r\(index % 250)"
                )
                let time = Int64(index * 7_919 % 40 - 20) * 900_000
                group.addTask { try await store.add(draft, at: time) }
            }
            try await group.waitForAll()
        }
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test(
        arguments: [
            (0, 3_600_000, 0, 0, []), (1, 3_600_000, nil, nil, [0]), (0, 3_599_999, nil, nil, [0]),
            (1, 2, nil, nil, [0]), (-1, 1, nil, nil, [-1, 0]), (-1, 3_600_000, 0, 0, [-1]),
            (-3_600_000, 3_600_001, -1, 0, [1]), (1, 7_200_001, 1, 1, [0, 2]),
        ] as [(Int64, Int64, Int64?, Int64?, [Int64])]
    )
    func a_span_is_whole_hours_and_at_most_two_cut_ones(
        _ from: Int64,
        _ until: Int64,
        _ firstWhole: Int64?,
        _ lastWhole: Int64?,
        _ cut: [Int64]
    ) {
        let span = HourSpan(
            TimeRange(
                from: Timestamp(millisecondsSinceEpoch: from),
                until: Timestamp(millisecondsSinceEpoch: until)
            )
        )
        #expect(span?.whole?.lowerBound == firstWhole)
        #expect(span?.whole?.upperBound == lastWhole)
        #expect(span?.cut == cut)
    }

    @Test func an_empty_span_has_no_hours() {
        let moment = Timestamp(millisecondsSinceEpoch: 5)
        #expect(HourSpan(TimeRange(from: moment, until: moment)) == nil)
        #expect(
            HourSpan(TimeRange(from: moment, until: Timestamp(millisecondsSinceEpoch: 4))) == nil
        )
        #expect(HourSpan(.always)?.whole == .min ... .max)
    }
}

extension SQLiteStore {
    /// Expects that the counters equal a recount of the rows.
    func verifyCounters(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let counts = """
            sum(rating = 0 AND comment IS NULL), sum(rating = 0 AND comment IS NOT NULL),
            sum(rating = 1 AND comment IS NULL), sum(rating = 1 AND comment IS NOT NULL),
            sum(rating = 2 AND comment IS NULL), sum(rating = 2 AND comment IS NOT NULL),
            sum(ifnull(length(comment), 0))
            """
        let hour = "((created_at - ((created_at % 3600000) + 3600000) % 3600000) / 3600000)"
        let columns = FeedbackCounts.columns.joined(separator: ", ")
        let pairs = [
            (
                "SELECT session, \(columns) FROM session_total ORDER BY session",
                """
                SELECT * FROM (SELECT 0 AS session, \(counts) FROM feedback HAVING count(*) > 0
                    UNION ALL SELECT session, \(counts) FROM feedback GROUP BY session)
                ORDER BY 1
                """
            ),
            (
                """
                SELECT session, hour, \(columns), first_sequence, last_sequence FROM hour_total
                ORDER BY session, hour
                """,
                """
                SELECT * FROM (
                    SELECT 0 AS session, \(hour) AS hour, \(counts), min(sequence), max(sequence)
                    FROM feedback GROUP BY 2
                    UNION ALL SELECT session, \(hour), \(counts), min(sequence), max(sequence)
                    FROM feedback GROUP BY 1, 2)
                ORDER BY 1, 2
                """
            ),
        ]
        for (kept, recount) in pairs {
            let (kept, recounted) = try await database.read { db in
                (
                    try Row.fetchAll(db, sql: kept).map { Array($0.databaseValues) },
                    try Row.fetchAll(db, sql: recount).map { Array($0.databaseValues) }
                )
            }
            #expect(!kept.isEmpty, sourceLocation: sourceLocation)
            #expect(kept == recounted, sourceLocation: sourceLocation)
        }
    }

    /// Expects that SQLite finds no fault with the file, and that the counters are right.
    func verifyIntegrity(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let faults = try await database.read {
            try String.fetchAll($0, sql: "PRAGMA integrity_check")
        }
        #expect(faults == ["ok"], sourceLocation: sourceLocation)
        try await verifyCounters(sourceLocation: sourceLocation)
    }
}
