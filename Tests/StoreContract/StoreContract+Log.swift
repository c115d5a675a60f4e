import FeedbackCore
import FeedbackModel
import Testing

extension StoreContract {
    /// The behaviours of the change log, of every store that keeps one.
    public static let logging: [StoreBehaviour] = [
        StoreBehaviour("the log has every feedback, each session's in order", wholeLog),
        StoreBehaviour("a reader goes on after a position", afterPosition),
        StoreBehaviour("a reader that begins now sees only what comes", fromNow),
        StoreBehaviour("a page of the log has at most as many changes as it may", limited),
        StoreBehaviour("a reader at the end waits for the next change", waiting),
        StoreBehaviour("a reader at the end waits no longer than it has patience", patience),
        StoreBehaviour("a repeated request and metadata do not appear in the log", invisible),
        StoreBehaviour("concurrent adds are read once each, none is missed", concurrently),
        StoreBehaviour("a position that is none is refused", malformedPosition),
        StoreBehaviour("a position of another store is refused with what to do", foreignPosition),
    ]

    /// The further behaviours of a log whose positions are numbers.
    public static let numbering: [StoreBehaviour] = [
        StoreBehaviour("the log is in the order of the commits, over all sessions", totalOrder)
    ]

    private static func totalOrder(_ store: any Store) async throws {
        for number in 0..<9 { try await store.add("\(number % 2)", "\(number)") }
        #expect(try await store.log(9).map(\.feedback.comment) == (0..<9).map { "\($0)" })
    }

    private static func wholeLog(_ store: any Store) async throws {
        let first = try await store.add("a", "1")
        let second = try await store.add("b", "2")
        let third = try await store.add("a", "3")
        let log = try await store.readLog(from: .beginning, context: CallContext())
        let page = try await log.next(limit: 100, patience: .seconds(10), context: CallContext())
        let feedbacks = page.changes.map(\.feedback)
        #expect(feedbacks.filter { $0.sessionID == "a" } == [first, third])
        #expect(feedbacks.filter { $0.sessionID == "b" } == [second])
        #expect(page.changes.map(\.kind) == [.added, .added, .added])
        #expect(page.isAtEnd)
        #expect(page.changes.last?.position == page.position)
        #expect(Set(page.changes.map(\.position)).count == 3)
        await log.close()
    }

    private static func afterPosition(_ store: any Store) async throws {
        try await store.add("a", "1")
        try await store.add("a", "2")
        let changes = try await store.log(2)
        try await store.add("b", "3")
        for (index, change) in changes.enumerated() {
            let rest = try await store.log(2 - index, from: .after(change.position))
            #expect(rest.map(\.feedback.comment) == Array(["2", "3"].dropFirst(index)))
        }
    }

    private static func fromNow(_ store: any Store) async throws {
        try await store.add("a", "1")
        let log = try await store.readLog(from: .now, context: CallContext())
        try await store.add("a", "2")
        let page = try await log.next(limit: 100, patience: .seconds(10), context: CallContext())
        #expect(page.changes.map(\.feedback.comment) == ["2"])
        await log.close()
    }

    private static func limited(_ store: any Store) async throws {
        for number in 1...7 { try await store.add("a", "\(number)") }
        let log = try await store.readLog(from: .beginning, context: CallContext())
        var comments: [String] = []
        while comments.count < 7 {
            let page = try await log.next(limit: 3, patience: .seconds(10), context: CallContext())
            #expect((1...3).contains(page.changes.count))
            comments += page.changes.map(\.feedback.comment)
        }
        #expect(comments == (1...7).map { "\($0)" })
        await log.close()
    }

    private static func waiting(_ store: any Store) async throws {
        let log = try await store.readLog(from: .now, context: CallContext())
        async let page = log.next(limit: 9, patience: .seconds(30), context: CallContext())
        try await store.add("a", "1")
        #expect(try await page.changes.map(\.feedback.comment) == ["1"])
        async let further = log.next(limit: 9, patience: .seconds(30), context: CallContext())
        try await store.add("a", "2")
        #expect(try await further.changes.map(\.feedback.comment) == ["2"])
        await log.close()
    }

    private static func patience(_ store: any Store) async throws {
        try await store.add("a", "1")
        let log = try await store.readLog(from: .now, context: CallContext())
        let page = try await log.next(limit: 9, patience: .zero, context: CallContext())
        #expect(page.changes.isEmpty)
        try await store.add("a", "2")
        // The position of a page without changes holds as well.
        let rest = try await store.log(1, from: .after(page.position))
        #expect(rest.map(\.feedback.comment) == ["2"])
        await log.close()
    }

    private static func invisible(_ store: any Store) async throws {
        let draft = FeedbackDraft(sessionID: "a", comment: "1", requestID: "r")
        try await store.add(draft)
        try await store.add(draft)
        _ = try await store.changeMetadata("a", .merge(["k": .bool(true)]))
        _ = try await store.changeMetadata("new", .merge(["k": .bool(true)]))
        try await store.add("a", "2")
        #expect(try await store.log(2).map(\.feedback.comment) == ["1", "2"])
    }

    private static func concurrently(_ store: any Store) async throws {
        let count = 200
        let log = try await store.readLog(from: .now, context: CallContext())
        async let comments = {
            var comments: [String] = []
            while comments.count < count {
                let page = try await log.next(
                    limit: 16,
                    patience: .seconds(30),
                    context: CallContext()
                )
                guard !page.changes.isEmpty else { break }
                comments += page.changes.map(\.feedback.comment)
            }
            return comments
        }()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                group.addTask { try await store.add("s\(number % 7)", "\(number)") }
            }
            try await group.waitForAll()
        }
        let read = try await comments
        #expect(read.count == count)
        #expect(Set(read).count == count)
        await log.close()
    }

    private static func malformedPosition(_ store: any Store) async throws {
        for text in ["x", "-1", "0123456789abcdef", "\u{e9}", String(repeating: "z", count: 2_000)]
        {
            let start = LogStart.after(LogPosition(text))
            let code = await errorCode {
                try await store.readLog(from: start, context: CallContext())
            }
            #expect(code == .invalidArgument, "\(text.prefix(20))")
        }
    }

    private static func foreignPosition(_ store: any Store) async throws {
        let other = MemoryStore()
        try await other.add("a", "1")
        let position = try await #require(other.log(1).first).position
        let code = await errorCode {
            try await store.readLog(from: .after(position), context: CallContext())
        }
        #expect(code == .outOfRange || code == .invalidArgument)
    }
}

extension Store {
    @discardableResult
    fileprivate func add(_ session: String, _ comment: String) async throws -> Feedback {
        try await add(FeedbackDraft(sessionID: session, comment: comment)).feedback
    }

    /// Reads at least `count` changes.
    fileprivate func log(
        _ count: Int,
        from start: LogStart = .beginning
    ) async throws -> [FeedbackChange] {
        let log = try await readLog(from: start, context: CallContext())
        var changes: [FeedbackChange] = []
        while changes.count < count {
            let page = try await log.next(
                limit: 100,
                patience: .seconds(10),
                context: CallContext()
            )
            guard !page.changes.isEmpty else { break }
            changes += page.changes
        }
        await log.close()
        return changes
    }
}
