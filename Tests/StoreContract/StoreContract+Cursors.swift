import FeedbackCore
import FeedbackModel
import Testing

extension StoreContract {
    /// The behaviours of a store that keeps cursors.
    public static let cursors: [StoreBehaviour] = [
        cursor("a cursor begins where it was opened, and is where it was left", opening),
        cursor("cursors do not know each other", apart),
        cursor("an unknown cursor is refused", unknown),
        cursor("changes after a number come in order, up to limits of number and bytes", changes),
        cursor("what has failed is listed, due again, and ends", failing),
        cursor("a delivery keeps its id, and no id is given twice", ids),
        cursor("after a start everything that waits is due soon, with its attempts", starting),
        cursor("dead letters are listed by page, retried and dropped", dead),
        cursor("a pause and a rewind are durable", control),
        cursor("tallies count what is there up to a number", tallies),
        cursor("the distance is told", distance),
    ]

    private static func cursor(
        _ description: String,
        _ check:
            @escaping @Sendable (any CursorKeepingStore, any CursorStore) async throws -> Void
    ) -> StoreBehaviour {
        StoreBehaviour(description) { store in
            let store = try #require(store as? any CursorKeepingStore)
            try await check(store, store.cursors)
        }
    }

    private static let moment = Timestamp(millisecondsSinceEpoch: 1_705_935_600_000)

    private static func opening(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(3)
        let first = try await cursors.open("c", from: .beginning, spread: .zero)
        #expect(first.position == 0)
        #expect(!first.isPaused)
        var progress = CursorProgress(name: "c")
        progress.position = 2
        progress.lastError = "HTTP status 500"
        progress.skippedCount = 5
        try await cursors.record(progress)
        let again = try await cursors.open("c", from: .now, spread: .zero)
        #expect(again.position == 2)
        #expect(again.lastError == "HTTP status 500")
        #expect(again.skippedCount == 5)
        let end = try await cursors.open("d", from: .now, spread: .zero).position
        #expect(try await cursors.next("d", after: end).changes.isEmpty)
        try await store.add(1)
        #expect(try await cursors.next("d", after: end).changes.count == 1)
    }

    private static func apart(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(1)
        for name in ["\u{E9}", "e\u{301}"] {
            _ = try await cursors.open(name, from: .beginning, spread: .zero)
        }
        try await cursors.fail(1, of: "\u{E9}")
        #expect(try await cursors.status(of: "\u{E9}").retryingCount == 1)
        #expect(try await cursors.status(of: "e\u{301}").retryingCount == 0)
        #expect(try await cursors.list(nil, .retrying).map(\.destination) == ["\u{E9}"])
    }

    private static func unknown(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        for call in [
            { _ = try await cursors.status(of: "no") },
            { _ = try await cursors.next("no", after: 0) },
            { try await cursors.record(CursorProgress(name: "no")) },
            { try await cursors.setPaused("no", true) },
            { _ = try await cursors.rewind("no", to: .beginning) },
            { _ = try await cursors.retry(nil, of: "no") },
            { _ = try await cursors.drop(nil, of: "no") },
            { _ = try await cursors.list("no", .dead) },
        ] as [() async throws -> Void] {
            #expect(await errorCode(call) == .notFound)
        }
    }

    private static func changes(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(5, comment: String(repeating: "x", count: 1_000))
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        let all = try await cursors.next("c", after: 0)
        #expect(all.isAtEnd)
        #expect(all.changes.count == 5)
        #expect(all.changes.map(\.number) == all.changes.map(\.number).sorted())
        #expect(all.changes.allSatisfy { $0.kind == .added && $0.sequence == $0.number })
        #expect(all.readUpTo >= all.changes[4].number)
        let two = try await cursors.changes(after: 0, of: "c", limit: 2, bytesMax: .max)
        #expect(two.changes == Array(all.changes[..<2]))
        #expect(!two.isAtEnd)
        #expect(two.readUpTo == two.changes[1].number)
        let rest = try await cursors.next("c", after: two.readUpTo)
        #expect(rest.changes == Array(all.changes[2...]))
        let small = try await cursors.changes(after: 0, of: "c", limit: 9, bytesMax: 2_000)
        #expect(small.changes.count == 2)
        #expect(!small.isAtEnd)
        let one = try await cursors.changes(after: 0, of: "c", limit: 9, bytesMax: 1)
        #expect(one.changes.count == 1)
    }

    private static func failing(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(3)
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        let changes = try await cursors.next("c", after: 0).changes
        let attempts = DeliveryAttempts(count: 2, waited: .seconds(3), firstAt: moment)
        var progress = CursorProgress(name: "c")
        for (change, seconds) in zip(changes, [20, 10, 30] as [Int]) {
            progress.outcomes.append(
                .init(
                    sequence: change.sequence,
                    next: .retrying(
                        due: .seconds(seconds),
                        at: moment.advanced(byMilliseconds: 1_000),
                        error: "HTTP status 500",
                        attempts
                    )
                )
            )
        }
        try await cursors.record(progress)
        let none = try await cursors.dueDeliveries(of: "c", at: .seconds(9), limit: 9)
        #expect(none.deliveries.isEmpty)
        #expect(none.next == .seconds(10))
        let two = try await cursors.dueDeliveries(of: "c", at: .seconds(20), limit: 9)
        #expect(two.deliveries.map(\.change.number) == [changes[1].number, changes[0].number])
        #expect(two.deliveries.allSatisfy { $0.attempts == attempts })
        #expect(two.deliveries.first?.change.feedback == changes[1].feedback)
        #expect(two.next == .seconds(30))
        let marked = try await cursors.next("c", after: 0).changes
        #expect(marked.map(\.delivery) == [.retrying, .retrying, .retrying])
        let listed = try await cursors.list("c", .retrying, content: true)
        #expect(listed.map(\.feedbackID) == changes.map(\.feedback.id))
        #expect(listed.map(\.feedback) == changes.map(\.feedback))
        #expect(listed.allSatisfy { $0.attempts == 2 && $0.firstAttemptAt == moment })
        #expect(listed.allSatisfy { $0.nextAttemptAt == moment.advanced(byMilliseconds: 1_000) })
        #expect(listed.allSatisfy { $0.lastError == "HTTP status 500" && $0.sessionID == "s" })
        var end = CursorProgress(name: "c")
        end.outcomes = [
            .init(sequence: changes[1].sequence, next: .ended),
            .init(sequence: changes[0].sequence, next: .ended),
            .init(sequence: 1_000, next: .ended),
        ]
        try await cursors.record(end)
        #expect(try await cursors.list("c", .retrying).map(\.sessionID) == ["s"])
        #expect(try await cursors.status(of: "c").retryingCount == 1)
    }

    private static func ids(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(3)
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        try await cursors.fail(1, of: "c")
        try await cursors.fail(2, of: "c")
        let first = try await cursors.list("c", .retrying).map(\.id)
        try await cursors.fail(1, of: "c")
        #expect(try await cursors.list("c", .retrying).map(\.id) == first)
        #expect(try await cursors.drop(first.compactMap { Int64($0) }, of: "c") == 2)
        try await cursors.fail(3, of: "c")
        let last = try #require(try await cursors.list("c", .retrying).first.map(\.id))
        #expect(!first.contains(last))
    }

    private static func starting(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(2)
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        try await cursors.fail(1, of: "c", due: .seconds(86_400))
        try await cursors.fail(2, of: "c", due: .seconds(86_400))
        _ = try await cursors.open("c", from: .beginning, spread: .seconds(1))
        let due = try await cursors.dueDeliveries(of: "c", at: .seconds(1), limit: 9)
        #expect(due.deliveries.map(\.attempts.count) == [1, 1])
        #expect(due.next == nil)
    }

    private static func dead(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(5)
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        let attempts = DeliveryAttempts(count: 9, waited: .seconds(60), firstAt: moment)
        for change in try await cursors.next("c", after: 0).changes {
            var progress = CursorProgress(name: "c")
            progress.outcomes = [
                .init(sequence: change.sequence, next: .dead(error: "no", attempts))
            ]
            try await cursors.record(progress)
        }
        let (page, total) = try await cursors.deliveries(
            of: "c",
            in: .dead,
            after: 0,
            limit: 3,
            bytesMax: nil
        )
        #expect(total == 5)
        #expect(page.count == 3)
        #expect(page.allSatisfy { $0.state == .dead && $0.nextAttemptAt == nil })
        #expect(page.allSatisfy { $0.feedback == nil })
        let ids = page.compactMap { Int64($0.id) }
        let rest = try await cursors.deliveries(
            of: nil,
            in: .dead,
            after: ids[2],
            limit: 3,
            bytesMax: nil
        )
        #expect(rest.deliveries.count == 2)
        #expect(try await cursors.dueDeliveries(of: "c", at: .zero, limit: 9).deliveries.isEmpty)
        #expect(try await cursors.retry([ids[0], 1_000], of: "c") == 1)
        let due = try await cursors.dueDeliveries(of: "c", at: .zero, limit: 9).deliveries
        #expect(due.map(\.attempts.count) == [0])
        #expect(due.map(\.attempts.waited) == [.zero])
        #expect(try await cursors.drop([ids[1], 1_000], of: "c") == 1)
        #expect(try await cursors.retry(nil, of: "c") == 3)
        #expect(try await cursors.status(of: "c").retryingCount == 4)
        #expect(try await cursors.drop(nil, of: "c") == 0, "no dead letter is left")
        #expect(try await cursors.status(of: "c").retryingCount == 4)
    }

    private static func control(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        try await store.add(2)
        let end = try await cursors.open("c", from: .now, spread: .zero).position
        try await cursors.setPaused("c", true)
        #expect(try await cursors.open("c", from: .now, spread: .zero).isPaused)
        try await cursors.setPaused("c", false)
        #expect(try await !cursors.status(of: "c").isPaused)
        #expect(try await cursors.rewind("c", to: .beginning) == 0)
        #expect(try await cursors.status(of: "c").position == 0)
        let position = cursors.epoch.position(end)
        #expect(try await cursors.rewind("c", to: .after(position)) == end)
        let late = cursors.epoch.position(end + 1)
        let foreign = LogEpoch.random().position(1)
        for position in [late, foreign] {
            let code = await errorCode { try await cursors.rewind("c", to: .after(position)) }
            #expect(code == .outOfRange)
        }
        let none = await errorCode {
            try await cursors.rewind("c", to: .after(LogPosition("nonsense")))
        }
        #expect(none == .invalidArgument)
        #expect(try await cursors.status(of: "c").position == end)
    }

    private static func tallies(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        let ratings: [(String, Rating)] = [
            ("a", .down), ("b", .up), ("a", .up), ("b", .down), ("a", .down), ("a", .none),
        ]
        for (session, rating) in ratings {
            try await store.add(FeedbackDraft(sessionID: session, rating: rating))
        }
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        let changes = try await cursors.next("c", after: 0).changes
        for end in 0...6 {
            let number = end == 0 ? 0 : changes[end - 1].number
            let before = ratings.prefix(end)
            let queries = [nil, "a", "b", "c"].map {
                TallyQuery(sessionID: $0, ratings: [.down], newestMax: 2)
            }
            let tallies = try await cursors.tallies(queries, upTo: number)
            for (query, tally) in zip(queries, tallies) {
                let own = before.filter { query.sessionID ?? $0.0 == $0.0 }.map(\.1)
                #expect(tally.count == Int64(own.count { $0 == .down }))
                #expect(tally.newest == Array(own.suffix(2).reversed()))
            }
        }
        let both = TallyQuery(sessionID: "a", ratings: [.down, .none], newestMax: 0)
        let end = changes[5].number
        #expect(try await cursors.tallies([both], upTo: end) == [Tally(count: 3, newest: [])])
    }

    private static func distance(
        _ store: any CursorKeepingStore,
        _ cursors: any CursorStore
    ) async throws {
        _ = try await cursors.open("c", from: .beginning, spread: .zero)
        #expect(try await cursors.status(of: "c").changesBehind == 0)
        #expect(try await cursors.status(of: "c").behindSince == nil)
        try await store.add(4)
        let changes = try await cursors.next("c", after: 0).changes
        let all = try await cursors.status(of: "c")
        #expect(all.changesBehind == 4)
        #expect(all.behindSince == changes[0].feedback.createdAt)
        var progress = CursorProgress(name: "c")
        progress.position = changes[2].number
        try await cursors.record(progress)
        #expect(try await cursors.status(of: "c").changesBehind == 1)
    }
}

extension CursorStore {
    fileprivate func next(_ name: String, after number: Int64) async throws -> CursorBatch {
        try await changes(after: number, of: name, limit: 100, bytesMax: .max)
    }

    fileprivate func list(
        _ name: String?,
        _ state: Delivery.State,
        content: Bool = false
    ) async throws -> [Delivery] {
        try await deliveries(
            of: name,
            in: state,
            after: 0,
            limit: 100,
            bytesMax: content ? .max : nil
        ).deliveries
    }

    /// Notes that the delivery of the feedback with a sequence has failed once.
    fileprivate func fail(_ sequence: Int64, of name: String, due: Duration = .zero) async throws {
        var progress = CursorProgress(name: name)
        let attempts = DeliveryAttempts(
            count: 1,
            firstAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_000)
        )
        progress.outcomes = [
            .init(
                sequence: sequence,
                next: .retrying(due: due, at: attempts.firstAt, error: "no", attempts)
            )
        ]
        try await record(progress)
    }
}

extension Store {
    fileprivate func add(_ count: Int, comment: String = "") async throws {
        for _ in 0..<count { try await add(FeedbackDraft(sessionID: "s", comment: comment)) }
    }
}
