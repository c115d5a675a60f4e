import FeedbackClient
import FeedbackCore
import FeedbackModel
import FeedbackServer
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("a client that watches", .timeLimit(.minutes(5)))
struct WatchTests {
    /// Returns the comments of the first changes.
    private func comments(_ watch: WatchSequence, _ count: Int) async throws -> [String] {
        var comments: [String] = []
        for try await change in watch {
            comments.append(change.feedback.comment)
            if comments.count == count { break }
        }
        return comments
    }

    @Test(arguments: Way.allCases)
    func what_is_there_comes_in_order_and_the_stream_ends(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            var added: [Feedback] = []
            for number in 1...600 {
                let draft = FeedbackDraft(sessionID: "s\(number % 3)", comment: "\(number)")
                added.append(try await client.addFeedback(draft).feedback.withoutRequestID)
            }
            let watch = client.watchFeedbacks(WatchQuery(follows: false))
            #expect(watch.position == nil)
            var changes: [FeedbackChange] = []
            for try await change in watch {
                changes.append(change)
                #expect(watch.position == change.position)
            }
            #expect(changes.map(\.feedback.withoutRequestID) == added)
            #expect(changes.allSatisfy { $0.kind == .added })
            #expect(watch.position == changes.last?.position)
            // What has been seen does not come again.
            #expect(try await comments(watch, 1) == [])
            let rest = client.watchFeedbacks(
                WatchQuery(from: .after(changes[597].position), follows: false)
            )
            #expect(try await comments(rest, .max) == ["599", "600"])
        }
    }

    @Test(arguments: Way.allCases)
    func a_watcher_hears_of_what_comes(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            try await client.addFeedback(sessionID: "s", comment: "1")
            var changes = client.watchFeedbacks().makeAsyncIterator()
            for number in 1...20 {
                #expect(try await changes.next()?.feedback.comment == "\(number)")
                try await client.addFeedback(sessionID: "s", comment: "\(number + 1)")
            }
        }
    }

    @Test(arguments: Way.allCases)
    func a_filter_selects(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            try await client.addFeedback(sessionID: "s", rating: .up, comment: "1")
            try await client.addFeedback(sessionID: "t", rating: .down, comment: "2")
            try await client.addFeedback(sessionID: "s", rating: .down, comment: "3")
            try await client.addFeedback(sessionID: "s", rating: .down)
            let filter = FeedbackFilter(sessionID: "s", ratings: [.down], hasComment: true)
            let watch = client.watchFeedbacks(WatchQuery(filter, follows: false))
            #expect(try await comments(watch, .max) == ["3"])
        }
    }

    @Test(arguments: Way.allCases)
    func large_feedback_comes_whole(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            let comment = String(repeating: "🎉", count: FieldLimits.commentCodePointsMax)
            for _ in 0..<50 { try await client.addFeedback(sessionID: "s", comment: comment) }
            let watch = client.watchFeedbacks(WatchQuery(follows: false))
            let comments = try await comments(watch, .max)
            #expect(comments.count == 50)
            #expect(comments.allSatisfy { $0 == comment })
        }
    }

    @Test(arguments: Way.allCases)
    func a_cancelled_task_ends_its_watch(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            try await client.addFeedback(sessionID: "s", comment: "1")
            let first = Gate()
            let task = Task {
                for try await _ in client.watchFeedbacks() { first.open() }
            }
            await first.pass()
            task.cancel()
            await expectFailure(.cancelled) { try await task.value }
        }
    }

    @Test(arguments: Way.allCases, ["x", "\u{e9}", "0123456789abcdef-0"])
    func a_position_of_no_stream_here_is_refused(_ way: Way, _ text: String) async throws {
        try await withClient(way) { client async throws in
            let watch = client.watchFeedbacks(WatchQuery(from: .after(LogPosition(text))))
            let error = await failure { for try await _ in watch {} }
            #expect(error?.code == (text.count > 1 ? .outOfRange : .invalidArgument))
            #expect(error?.message.contains("start_position") == true)
        }
    }

    @Test func a_closed_client_ends_its_watches() async throws {
        let folder = try TemporaryFolder()
        let server = try FeedbackServer.started(at: folder.path("s.sock"))
        let client = try FeedbackClient(socket: server.socketPath, options: .forTests)
        try await client.addFeedback(sessionID: "s")
        let first = Gate()
        let task = Task { for try await _ in client.watchFeedbacks() { first.open() } }
        await first.pass()
        client.close()
        await expectFailure(.cancelled) { try await task.value }
        try await server.stop()
    }

    @Test func a_watcher_that_does_not_read_holds_up_no_other_call() async throws {
        try await withClient(.socket) { client async throws in
            let comment = String(repeating: "x", count: 9_000)
            try await client.addFeedback(sessionID: "s", comment: comment)
            var changes = client.watchFeedbacks().makeAsyncIterator()
            _ = try await changes.next()
            for _ in 0..<300 { try await client.addFeedback(sessionID: "s", comment: comment) }
            #expect(try await client.listFeedbacks().totalSize == 301)
            for _ in 0..<300 { #expect(try await changes.next()?.feedback.comment == comment) }
        }
    }

    @Test func a_server_that_is_away_is_asked_as_often_as_allowed() async throws {
        let folder = try TemporaryFolder()
        let server = try FeedbackServer.started(at: folder.path("s.sock"))
        var options = FeedbackClient.Options.forTests
        options.attemptsMax = 3
        let client = try FeedbackClient(socket: server.socketPath, options: options)
        try await client.addFeedback(sessionID: "s")
        let watch = client.watchFeedbacks()
        var changes = watch.makeAsyncIterator()
        #expect(try await changes.next() != nil)
        try await server.stop()
        await expectFailure(.unavailable) { _ = try await changes.next() }
        #expect(watch.position != nil)
    }

    /// `seed` gives the bytes after which the connections are cut.
    @Test(arguments: [1, 2] as [UInt64])
    func a_watcher_that_is_cut_off_fifty_times_misses_nothing(_ seed: UInt64) async throws {
        let folder = try TemporaryFolder()
        let server = try FeedbackServer.started(at: folder.path("s.sock"))
        let random = Mutex(SeededGenerator(seed: seed))
        let cutsMax = 50
        let cuts = Atomic(0)
        let relay = try SocketRelay(at: folder.path("r.sock"), to: server.socketPath) {
            guard cuts.add(1, ordering: .relaxed).newValue <= cutsMax else { return nil }
            return random.withLock { Int.random(in: 1...9_000, using: &$0) }
        }
        var options = FeedbackClient.Options.forTests
        options.attemptsMax = cutsMax
        let (writers, count) = (4, 1_000)
        let client = try FeedbackClient(socket: server.socketPath, options: options)
        async let load: Void = withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    for number in 0..<count {
                        try await client.addFeedback(sessionID: "\(writer)", comment: "\(number)")
                    }
                }
            }
            try await group.waitForAll()
        }
        let watcher = try FeedbackClient(socket: folder.path("r.sock"), options: options)
        var seen: [String: [Int]] = [:]
        var changeCount = 0
        for try await change in watcher.watchFeedbacks() {
            let comment = try #require(Int(change.feedback.comment))
            seen[change.feedback.sessionID, default: []].append(comment)
            changeCount += 1
            if changeCount == writers * count { break }
        }
        try await load
        // Each writer's feedback was added in this order.
        for writer in 0..<writers { #expect(seen["\(writer)"] == Array(0..<count)) }
        #expect(relay.cutCount == cutsMax)
        try await server.stop()
    }
}
