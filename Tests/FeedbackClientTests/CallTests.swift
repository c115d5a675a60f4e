import FeedbackClient
import FeedbackModel
import Foundation
import TestSupport
import Testing

@Suite("the client's calls")
struct CallTests {
    private let draft = FeedbackDraft(
        sessionID: "user-123",
        rating: .down,
        comment: "Zu langsam — 日本語 🎉",
        requestID: "request-1",
        messageID: "message-1",
        agentID: "agent-1",
        author: Author(source: .human, id: "anna"),
        tags: ["slow", "größe"],
        attributes: ["model": "m-1", "ключ": ""]
    )

    @Test(arguments: Way.allCases)
    func a_feedback_is_stored_and_listed_with_every_field(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            let added = try await client.addFeedback(draft)
            let stored = added.feedback.withoutRequestID
            var expected = draft
            expected.requestID = ""
            #expect(!added.replayed)
            #expect(stored.draft == expected)
            #expect(stored.id != nil)
            #expect(stored.createdAt == stored.updatedAt)
            let page = try await client.listFeedbacks(FeedbackQuery(sessionID: "user-123"))
            #expect(page.feedbacks.map(\.withoutRequestID) == [stored])
            #expect(page.totalSize == 1)
            #expect(page.nextPageToken == "")
        }
    }

    @Test(arguments: Way.allCases)
    func the_short_add_stores_rating_and_comment(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            let up = try await client.addFeedback(sessionID: "s", rating: .up, comment: "good")
            #expect(up.feedback.rating == .up && up.feedback.comment == "good")
            let plain = try await client.addFeedback(sessionID: "s")
            #expect(plain.feedback.rating == .none && plain.feedback.comment == "")
            #expect(up.feedback.id != plain.feedback.id)
            #expect(try await client.listFeedbacks().totalSize == 2)
        }
    }

    @Test(arguments: Way.allCases)
    func a_list_keeps_to_every_filter(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            var added: [Feedback] = []
            for (session, rating, comment, message) in [
                ("a", Rating.up, "x", "m1"), ("a", .down, "", "m2"), ("b", .none, "y", "m1"),
                ("a", .none, "z", "m2"),
            ] {
                let draft = FeedbackDraft(
                    sessionID: session,
                    rating: rating,
                    comment: comment,
                    messageID: message
                )
                added.append(try await client.addFeedback(draft).feedback.withoutRequestID)
            }
            func listed(_ query: FeedbackQuery) async throws -> [Int?] {
                let page = try await client.listFeedbacks(query)
                #expect(page.totalSize == page.feedbacks.count)
                return page.feedbacks.map { added.firstIndex(of: $0.withoutRequestID) }
            }
            let end = Timestamp(
                millisecondsSinceEpoch: added[3].createdAt.millisecondsSinceEpoch + 1
            )
            let all = TimeRange(from: added[0].createdAt, until: end)
            #expect(try await listed(FeedbackQuery()) == [0, 1, 2, 3])
            #expect(try await listed(FeedbackQuery(newestFirst: true)) == [3, 2, 1, 0])
            #expect(try await listed(FeedbackQuery(sessionID: "a")) == [0, 1, 3])
            #expect(try await listed(FeedbackQuery(sessionID: "unknown")) == [])
            #expect(try await listed(FeedbackQuery(ratings: [.none])) == [2, 3])
            #expect(try await listed(FeedbackQuery(ratings: [.up, .down])) == [0, 1])
            #expect(try await listed(FeedbackQuery(messageID: "m1")) == [0, 2])
            #expect(try await listed(FeedbackQuery(hasComment: true)) == [0, 2, 3])
            #expect(try await listed(FeedbackQuery(hasComment: false)) == [1])
            #expect(try await listed(FeedbackQuery(created: all)) == [0, 1, 2, 3])
            #expect(try await listed(FeedbackQuery(created: TimeRange(from: end))) == [])
            let before = TimeRange(until: added[0].createdAt)
            #expect(try await listed(FeedbackQuery(created: before)) == [])
            let many = FeedbackQuery(
                sessionID: "a",
                ratings: [.none, .down],
                created: all,
                messageID: "m2",
                hasComment: true,
                newestFirst: true
            )
            #expect(try await listed(many) == [3])
        }
    }

    @Test(arguments: Way.allCases)
    func all_feedback_comes_page_by_page_in_order(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            for index in 0..<250 {
                try await client.addFeedback(
                    sessionID: "s",
                    rating: index.isMultiple(of: 2) ? .up : .down,
                    comment: "\(index)"
                )
            }
            func comments(_ query: FeedbackQuery) async throws -> [String] {
                var comments: [String] = []
                for try await feedback in client.allFeedbacks(query) {
                    comments.append(feedback.comment)
                }
                return comments
            }
            let all = (0..<250).map(String.init)
            #expect(try await comments(FeedbackQuery(pageSize: 20)) == all)
            #expect(try await comments(FeedbackQuery(pageSize: 125)) == all)
            #expect(try await comments(FeedbackQuery()) == all)
            #expect(
                try await comments(FeedbackQuery(newestFirst: true, pageSize: 20)) == all.reversed()
            )
            let odd = (0..<250).filter { !$0.isMultiple(of: 2) }.map(String.init)
            #expect(try await comments(FeedbackQuery(ratings: [.down], pageSize: 7)) == odd)
            #expect(try await comments(FeedbackQuery(sessionID: "unknown")) == [])

            let first = try await client.listFeedbacks(FeedbackQuery(pageSize: 20))
            #expect(first.feedbacks.count == 20)
            #expect(first.totalSize == 250)
            var rest = FeedbackQuery(pageSize: 100)
            rest.pageToken = first.nextPageToken
            #expect(try await comments(rest) == Array(all[20...]))
        }
    }

    @Test(arguments: Way.allCases)
    func metrics_are_exact_and_split_as_asked(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            try await client.updateMetadata(sessionID: "a", ["team": .string("red")])
            try await client.updateMetadata(sessionID: "b", ["team": .number(7)])
            try await client.addFeedback(sessionID: "a", rating: .up, comment: "1234567")
            try await client.addFeedback(sessionID: "a", rating: .up, comment: "e\u{301}🎉")
            try await client.addFeedback(sessionID: "b", rating: .down)
            let last = try await client.addFeedback(sessionID: "c", comment: "x").feedback
            let a = Metrics(positive: 2, commentCodePoints: 10)
            let b = Metrics(negative: 1)
            let c = Metrics(neutral: 1, commentCodePoints: 1)
            func measured(_ query: MetricsQuery) async throws -> MetricsReport {
                try await client.getMetrics(query)
            }
            #expect(try await measured(MetricsQuery()) == MetricsReport(metrics: a + b + c))
            #expect(try await measured(MetricsQuery(sessionID: "a")) == MetricsReport(metrics: a))
            #expect(try await measured(MetricsQuery(sessionID: "unknown")) == MetricsReport())
            #expect(
                try await measured(MetricsQuery(grouping: .session))
                    == MetricsReport(metrics: a + b + c, groups: ["a": a, "b": b, "c": c])
            )
            #expect(
                try await measured(MetricsQuery(grouping: .metadata(key: "team")))
                    == MetricsReport(metrics: a + b + c, groups: ["red": a, "7": b, "": c])
            )
            let end = Timestamp(millisecondsSinceEpoch: last.createdAt.millisecondsSinceEpoch + 1)
            let later = MetricsQuery(created: TimeRange(from: end), grouping: .hour)
            #expect(try await measured(later) == MetricsReport())
            for grouping in [MetricsGrouping.hour, .day] {
                let report = try await measured(
                    MetricsQuery(created: TimeRange(until: end), grouping: grouping)
                )
                #expect(report.metrics == a + b + c)
                #expect(report.groups.map(\.metrics).reduce(Metrics(), +) == a + b + c)
                let key = grouping == .hour ? last.createdAt.hour : last.createdAt.day
                #expect(report.groups.last?.key == key)
            }
        }
    }

    @Test(arguments: Way.allCases)
    func metadata_is_merged_read_and_removed_by_key(_ way: Way) async throws {
        let metadata: Metadata = [
            "null": .null, "yes": .bool(true), "number": .number(-1.5), "text": .string("日本語"),
            "list": .list([.number(1), .list([]), .object(["a": .null])]),
            "object": .object(["k": .object([:])]),
        ]
        try await withClient(way) { client async throws in
            #expect(try await client.updateMetadata(sessionID: "s", metadata) == metadata)
            #expect(try await client.metadata(sessionID: "s") == metadata)
            let more: Metadata = ["yes": .bool(false), "new": .string("")]
            let merged = metadata.merging(more) { $1 }
            #expect(try await client.updateMetadata(sessionID: "s", more) == merged)
            let left = merged.filter { !["null", "object"].contains($0.key) }
            let keys = ["null", "object", "unknown"]
            #expect(try await client.deleteMetadata(sessionID: "s", keys: keys) == left)
            #expect(try await client.metadata(sessionID: "s") == left)
            #expect(try await client.updateMetadata(sessionID: "s", [:]) == left)
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func a_session_with_feedback_has_empty_metadata(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            try await client.addFeedback(sessionID: "s", rating: .up)
            #expect(try await client.metadata(sessionID: "s") == [:])
        }
    }

    @Test(arguments: Way.allCases)
    func five_hundred_calls_at_once_are_all_answered(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            let added = try await withThrowingTaskGroup(of: Feedback.self) { group in
                for index in 0..<500 {
                    group.addTask {
                        let comment = "\(index)"
                        let added = try await client.addFeedback(sessionID: "s", comment: comment)
                        #expect(added.feedback.comment == comment)
                        return added.feedback
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(added.map(\.id)).count == 500)
            #expect(Set(added.map(\.comment)).count == 500)
            #expect(try await client.getMetrics().metrics.total == 500)
        }
    }

    @Test(arguments: Way.allCases)
    func a_service_that_serves_says_so(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            try await client.connect()
            #expect(try await client.isServing())
        }
    }
}
