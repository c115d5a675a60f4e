import FeedbackCore
import FeedbackModel
import Synchronization
import Testing

extension StoreContract {
    static let listing: [StoreBehaviour] = [
        StoreBehaviour("a list is in the order of insertion, whatever the clock said", order),
        StoreBehaviour("an unknown session has an empty page, and is not made by it", unknown),
        StoreBehaviour("pages together have each feedback once", pages),
        StoreBehaviour("a list that fills its page exactly has no further page", exactPage),
        StoreBehaviour("the page size may change from page to page", changingPageSize),
        StoreBehaviour("pages have each feedback once while others write", pagesDuringWrites),
        StoreBehaviour(
            "pages of every session have each feedback once while others write",
            pagesOfAllDuringWrites
        ),
        StoreBehaviour("a page token of another list is INVALID_ARGUMENT", foreignTokens),
        StoreBehaviour("a page token that was changed is INVALID_ARGUMENT", brokenTokens),
    ]

    static let filtering: [StoreBehaviour] = [
        StoreBehaviour("each filter of a list does what it says", eachFilter),
        StoreBehaviour("all combinations of filters find what MemoryStore finds", combinedFilters),
    ]

    private static func order(_ store: any Store) async throws {
        for (index, time) in [5_000_000, 1_000, 9_000_000, 1_000].enumerated() {
            try await store.add(
                FeedbackDraft(sessionID: "s\(index % 2)", comment: "\(index)"),
                at: Int64(time)
            )
        }
        #expect(try await store.all().map(\.comment) == ["0", "1", "2", "3"])
        let newest = try await store.all(FeedbackQuery(newestFirst: true))
        #expect(newest.map(\.comment) == ["3", "2", "1", "0"])
        let ofSession = try await store.all(FeedbackQuery(sessionID: "s1", newestFirst: true))
        #expect(ofSession.map(\.comment) == ["3", "1"])
    }

    private static func unknown(_ store: any Store) async throws {
        #expect(try await store.list(FeedbackQuery(sessionID: "s", pageSize: 1)) == FeedbackPage())
        #expect(try await store.metrics(MetricsQuery(sessionID: "s")) == MetricsReport())
        #expect(try await store.metadata(ofSession: "s") == nil)
        let code = await errorCode {
            try await store.add(FeedbackDraft(sessionID: "s"), missingSession: .reject)
        }
        #expect(code == .notFound)
    }

    private static func pages(_ store: any Store) async throws {
        for index in 0..<25 {
            try await store.add(FeedbackDraft(sessionID: "s\(index % 2)", comment: "\(index)"))
        }
        for (sessionID, expected) in [
            (nil, Array(0..<25)), ("s1", Array(stride(from: 1, to: 25, by: 2))),
        ] as [(String?, [Int])] {
            for newestFirst in [false, true] {
                let query = FeedbackQuery(
                    sessionID: sessionID,
                    newestFirst: newestFirst,
                    pageSize: 4
                )
                let pages = try await store.pages(query)
                let comments = pages.flatMap(\.feedbacks).map(\.comment)
                let inOrder = newestFirst ? expected.reversed() : expected
                #expect(comments == inOrder.map(String.init))
                #expect(pages.dropLast().allSatisfy { $0.feedbacks.count == 4 })
                #expect(pages.allSatisfy { $0.totalSize == expected.count })
            }
        }
    }

    private static func exactPage(_ store: any Store) async throws {
        for _ in 0..<4 { try await store.add(FeedbackDraft(sessionID: "s")) }
        let page = try await store.list(FeedbackQuery(sessionID: "s", pageSize: 4))
        #expect(page.feedbacks.count == 4)
        #expect(page.nextPageToken.isEmpty)
    }

    private static func changingPageSize(_ store: any Store) async throws {
        for index in 0..<6 {
            try await store.add(FeedbackDraft(sessionID: "s", comment: "\(index)"))
        }
        var query = FeedbackQuery(sessionID: "s", pageSize: 1)
        query.pageToken = try await store.list(query).nextPageToken
        query.pageSize = 3
        #expect(try await store.list(query).feedbacks.map(\.comment) == ["1", "2", "3"])
    }

    private static func pagesDuringWrites(_ store: any Store) async throws {
        let before = try await addNumbered(0..<60, to: store)
        for newestFirst in [false, true] {
            let query = FeedbackQuery(sessionID: "s", newestFirst: newestFirst, pageSize: 7)
            let seen = try await store.all(query, whileAddingTo: ["s"])
            #expect(Set(seen).count == seen.count)
            let old = seen.filter { Set(before).contains($0) }
            #expect(old == (newestFirst ? before.reversed() : before))
        }
    }

    /// Existing sessions grow, and new ones are added, while the pages are read.
    private static func pagesOfAllDuringWrites(_ store: any Store) async throws {
        let sessions = (0..<5).map { "s\($0)" }
        let before = try await addNumbered(0..<60, to: store, sessions: sessions)
        for newestFirst in [false, true] {
            let query = FeedbackQuery(newestFirst: newestFirst, pageSize: 7)
            let new = (0..<20).map { "new \(newestFirst) \($0)" }
            let seen = try await store.all(query, whileAddingTo: sessions + new)
            #expect(Set(seen).count == seen.count)
            let old = seen.filter { Set(before).contains($0) }
            #expect(old == (newestFirst ? before.reversed() : before))
        }
    }

    private static func foreignTokens(_ store: any Store) async throws {
        _ = try await addNumbered(0..<3, to: store)
        let query = FeedbackQuery(sessionID: "s", pageSize: 1)
        let token = try await store.list(query).nextPageToken
        #expect(!token.isEmpty)
        let moment = Timestamp(millisecondsSinceEpoch: 0)
        let others = [
            FeedbackQuery(pageSize: 1, pageToken: token),
            FeedbackQuery(sessionID: "unknown", pageSize: 1, pageToken: token),
            FeedbackQuery(sessionID: "s", ratings: [.up], pageSize: 1, pageToken: token),
            FeedbackQuery(
                sessionID: "s",
                created: TimeRange(from: moment),
                pageSize: 1,
                pageToken: token
            ),
            FeedbackQuery(
                sessionID: "s",
                created: TimeRange(until: moment),
                pageSize: 1,
                pageToken: token
            ),
            FeedbackQuery(sessionID: "s", messageID: "m", pageSize: 1, pageToken: token),
            FeedbackQuery(sessionID: "s", hasComment: true, pageSize: 1, pageToken: token),
            FeedbackQuery(sessionID: "s", newestFirst: true, pageSize: 1, pageToken: token),
        ]
        for other in others {
            #expect(await errorCode { try await store.list(other) } == .invalidArgument)
        }
    }

    private static func brokenTokens(_ store: any Store) async throws {
        _ = try await addNumbered(0..<3, to: store)
        var query = FeedbackQuery(sessionID: "s", pageSize: 1)
        let token = try await store.list(query).nextPageToken
        var broken = [
            "x", "0", "00", "\u{1F600}", " \(token)", token + "00", token.uppercased() + "Z",
        ]
        broken.append(String(token.dropLast(2)))
        for index in token.indices {
            let digit = token[index] == "0" ? "1" : "0"
            broken.append(token.replacingCharacters(at: index, with: digit))
        }
        for token in broken {
            query.pageToken = token
            let code = await errorCode { try await store.list(query) }
            #expect(code == .invalidArgument, "\(token)")
        }
    }

    private static func eachFilter(_ store: any Store) async throws {
        let hour = Timestamp.hourMilliseconds
        let up = FeedbackDraft(sessionID: "a", rating: .up, comment: "1", messageID: "m")
        let down = FeedbackDraft(sessionID: "a", rating: .down)
        let bare = FeedbackDraft(sessionID: "b", comment: "3", messageID: "m")
        for (index, draft) in [up, down, bare].enumerated() {
            try await store.add(draft, at: hour * Int64(index) + 10)
        }
        func moment(_ milliseconds: Int64) -> Timestamp {
            Timestamp(millisecondsSinceEpoch: milliseconds)
        }
        let cases: [(FeedbackQuery, [FeedbackDraft])] = [
            (FeedbackQuery(sessionID: "a"), [up, down]),
            (FeedbackQuery(ratings: [.up]), [up]),
            (FeedbackQuery(ratings: [.none, .down]), [down, bare]),
            (FeedbackQuery(created: TimeRange(from: moment(10))), [up, down, bare]),
            (FeedbackQuery(created: TimeRange(from: moment(11))), [down, bare]),
            (FeedbackQuery(created: TimeRange(until: moment(hour + 10))), [up]),
            (FeedbackQuery(created: TimeRange(until: moment(hour + 11))), [up, down]),
            (FeedbackQuery(created: TimeRange(from: moment(hour), until: moment(hour))), []),
            (FeedbackQuery(created: TimeRange(from: moment(hour), until: moment(0))), []),
            (FeedbackQuery(messageID: "m"), [up, bare]),
            (FeedbackQuery(hasComment: true), [up, bare]),
            (FeedbackQuery(hasComment: false), [down]),
        ]
        for (query, expected) in cases {
            var query = query
            query.pageSize = 1
            let pages = try await store.pages(query)
            #expect(pages.flatMap(\.feedbacks).map(\.draft) == expected, "\(query)")
            #expect(pages.allSatisfy { $0.totalSize == expected.count }, "\(query)")
        }
    }

    private static func combinedFilters(_ store: any Store) async throws {
        let oracle = MemoryStore()
        var sample = SampleFeedback(seed: 1)
        try await sample.fill([store, oracle], count: 400)
        for _ in 0..<300 {
            let query = sample.listQuery()
            let found = try await store.pages(query)
            let expected = try await oracle.pages(query)
            #expect(found.map(\.feedbacks) == expected.map(\.feedbacks), "\(query)")
            #expect(found.map(\.totalSize) == expected.map(\.totalSize), "\(query)")
        }
    }

    private static func addNumbered(
        _ numbers: Range<Int>,
        to store: any Store,
        sessions: [String] = ["s"]
    ) async throws -> [Feedback] {
        var added: [Feedback] = []
        for number in numbers {
            let sessionID = sessions[number % sessions.count]
            let draft = FeedbackDraft(sessionID: sessionID, comment: "\(number)")
            added.append(try await store.add(draft).feedback)
        }
        return added
    }
}

private final class Paging: Sendable {
    let isUnderWay = Atomic(true)
}

extension Store {
    /// Returns the feedback of all pages of the query while two tasks add to the sessions in turn;
    /// something new is added before each page.
    fileprivate func all(
        _ query: FeedbackQuery,
        whileAddingTo sessions: [String]
    ) async throws -> [Feedback] {
        let paging = Paging()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    // The number of adds is limited, so that a slow reader reaches the end.
                    for index in 0..<200 where paging.isUnderWay.load(ordering: .relaxed) {
                        let sessionID = sessions[index % sessions.count]
                        try await add(FeedbackDraft(sessionID: sessionID, comment: "during"))
                    }
                }
            }
            defer { paging.isUnderWay.store(false, ordering: .relaxed) }
            var query = query
            var seen: [Feedback] = []
            repeat {
                try await add(FeedbackDraft(sessionID: sessions.last ?? "", comment: "between"))
                let page = try await list(query)
                seen += page.feedbacks
                query.pageToken = page.nextPageToken
            } while !query.pageToken.isEmpty
            paging.isUnderWay.store(false, ordering: .relaxed)
            try await group.waitForAll()
            return seen
        }
    }
}

extension String {
    fileprivate func replacingCharacters(at index: Index, with digit: String) -> String {
        self[..<index] + digit + self[self.index(after: index)...]
    }
}
