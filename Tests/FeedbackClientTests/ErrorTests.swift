import FeedbackClient
import FeedbackCore
import FeedbackModel
import Foundation
import TestSupport
import Testing

/// A call that fails, with the expected error.
struct BadCall: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let code: CallError.Code
    /// The fields that the error names.
    let fields: [String]
    let run: @Sendable (FeedbackClient) async throws -> Void

    init(
        _ what: String,
        _ code: CallError.Code,
        _ fields: [String] = [],
        _ run: @escaping @Sendable (FeedbackClient) async throws -> Void
    ) {
        testDescription = what
        self.code = code
        self.fields = fields
        self.run = run
    }
}

@Suite("errors, the same over the socket and within the process")
struct ErrorTests {
    private struct Unknown: Error {}

    /// A hook that refuses adds by their comments.
    private static let refusing = AddHook { draft, _, next in
        switch draft.comment {
        case "forbidden": throw CallError(.permissionDenied, "not for you")
        case "often":
            throw CallError(.resourceExhausted, "slower", retryDelay: .milliseconds(1_500))
        case "invalid": throw CallError.invalid("comment", "is rude")
        case "broken": throw Unknown()
        case "cancelled": throw CancellationError()
        case "emptied":
            var draft = draft
            draft.sessionID = ""
            return try await next(draft)
        default: return try await next(draft)
        }
    }

    private static func add(
        _ what: String,
        _ code: CallError.Code,
        _ fields: [String] = [],
        _ change: @escaping @Sendable (inout FeedbackDraft) -> Void
    ) -> BadCall {
        BadCall(what, code, fields) { client async throws in
            var draft = FeedbackDraft(sessionID: "s")
            change(&draft)
            try await client.addFeedback(draft)
        }
    }

    private static let adds: [BadCall] = [
        add("no session", .invalidArgument, ["session_id"]) { $0.sessionID = "" },
        add("a long session", .invalidArgument, ["session_id"]) {
            $0.sessionID = String(repeating: "ü", count: 128)
        },
        add("a long comment", .invalidArgument, ["comment"]) {
            $0.comment = String(repeating: "🎉", count: FieldLimits.commentCodePointsMax + 1)
        },
        add("a NUL in a comment", .invalidArgument, ["comment"]) { $0.comment = "a\0b" },
        add("a NUL in a tag", .invalidArgument, ["tags"]) { $0.tags = ["a\0b"] },
        add("many faults", .invalidArgument, ["message_id", "author.id", "tags", "attributes.key"])
        {
            $0.messageID = String(repeating: "m", count: 256)
            $0.author = Author(id: String(repeating: "a", count: 256))
            $0.tags = [""]
            $0.attributes = ["": "v"]
        },
        add("a hook's veto", .permissionDenied) { $0.comment = "forbidden" },
        add("a hook's limit", .resourceExhausted) { $0.comment = "often" },
        add("a hook's veto of a field", .invalidArgument, ["comment"]) { $0.comment = "invalid" },
        add("a hook's unknown error", .internal) { $0.comment = "broken" },
        add("a hook's cancellation", .cancelled) { $0.comment = "cancelled" },
        add("a hook that breaks a rule", .invalidArgument, ["session_id"]) {
            $0.comment = "emptied"
        },
    ]

    private static let others: [BadCall] = [
        BadCall("a page too large", .invalidArgument, ["page_size"]) {
            _ = try await $0.listFeedbacks(FeedbackQuery(pageSize: 1_001))
        },
        BadCall("a negative page", .invalidArgument, ["page_size"]) {
            _ = try await $0.listFeedbacks(FeedbackQuery(pageSize: .min))
        },
        BadCall("a page token made up", .invalidArgument, ["page_token"]) {
            _ = try await $0.listFeedbacks(FeedbackQuery(pageToken: "0123"))
        },
        BadCall("a page token of another list", .invalidArgument, ["page_token"]) {
            client async throws in
            for _ in 0..<2 { try await client.addFeedback(sessionID: "s") }
            let page = try await client.listFeedbacks(FeedbackQuery(pageSize: 1))
            let other = FeedbackQuery(newestFirst: true, pageToken: page.nextPageToken)
            _ = try await client.listFeedbacks(other)
        },
        BadCall("a metadata key that is none", .invalidArgument, ["metadata_key"]) {
            _ = try await $0.getMetrics(MetricsQuery(grouping: .metadata(key: "$a.b")))
        },
        BadCall("no metadata key", .invalidArgument, ["metadata_key"]) {
            _ = try await $0.getMetrics(MetricsQuery(grouping: .metadata(key: "")))
        },
        BadCall("a list of an empty session", .invalidArgument, ["session_id"]) {
            _ = try await $0.listFeedbacks(FeedbackQuery(sessionID: ""))
        },
        BadCall("the metrics of an empty session", .invalidArgument, ["session_id"]) {
            _ = try await $0.getMetrics(MetricsQuery(sessionID: ""))
        },
        BadCall("the metadata of an unknown session", .notFound) {
            _ = try await $0.metadata(sessionID: "unknown")
        },
        BadCall("a removal from an unknown session", .notFound) {
            try await $0.deleteMetadata(sessionID: "unknown", keys: ["a"])
        },
        BadCall("metadata too deep", .invalidArgument, ["metadata"]) { client async throws in
            var value = MetadataValue.list([])
            for _ in 1..<FieldLimits.metadataDepthMax { value = .list([value]) }
            try await client.updateMetadata(sessionID: "s", ["k": value])
        },
        BadCall("metadata too large", .invalidArgument, ["metadata"]) { client async throws in
            let text = String(repeating: "x", count: FieldLimits.metadataBytesMax)
            try await client.updateMetadata(sessionID: "s", ["k": .string(text)])
        },
        BadCall("a metadata number that is none", .invalidArgument, ["metadata"]) {
            try await $0.updateMetadata(sessionID: "s", ["k": .list([.number(.nan)])])
        },
        BadCall("a metadata key with a dot", .invalidArgument, ["metadata"]) {
            try await $0.updateMetadata(sessionID: "s", ["k": .object(["a.b": .null])])
        },
        BadCall("a NUL in metadata", .invalidArgument, ["metadata"]) {
            try await $0.updateMetadata(sessionID: "s", ["k": .string("\0")])
        },
    ]

    @Test(arguments: adds + others)
    func a_failure_has_the_same_code_text_and_violations(_ call: BadCall) async throws {
        var errors: [CallError] = []
        for way in Way.allCases {
            try await withClient(way, hooks: [Self.refusing]) { client async throws in
                let outcome = await failure { try await call.run(client) }
                let error = try #require(outcome)
                errors.append(error)
                #expect(error.code == call.code)
                #expect(error.violations.map(\.field) == call.fields)
            }
        }
        #expect(errors[0].message == errors[1].message)
        #expect(errors[0].violations == errors[1].violations)
        #expect(errors[0].retryDelay == errors[1].retryDelay)
        #expect((errors[0].retryDelay != nil) == (call.code == .resourceExhausted))
    }

    @Test(arguments: Way.allCases, [Int64.min, -62_135_596_800_001, 253_402_300_800_000, .max])
    func a_moment_outside_of_the_calendar_is_named(
        _ way: Way,
        _ milliseconds: Int64
    ) async throws {
        let bound = Timestamp(millisecondsSinceEpoch: milliseconds)
        try await withClient(way) { client async throws in
            let list = await failure {
                let created = TimeRange(from: bound)
                _ = try await client.listFeedbacks(FeedbackQuery(created: created))
            }
            #expect(list?.code == .invalidArgument)
            #expect(list?.violations.map(\.field) == ["created_at_or_after"])
            let metrics = await failure {
                let created = TimeRange(until: bound)
                _ = try await client.getMetrics(MetricsQuery(created: created))
            }
            #expect(metrics?.code == .invalidArgument)
            #expect(metrics?.violations.map(\.field) == ["created_before"])
        }
    }

    @Test(arguments: Way.allCases)
    func what_was_refused_is_not_stored(_ way: Way) async throws {
        try await withClient(way, hooks: [Self.refusing]) { client async throws in
            for call in Self.adds {
                let error = await failure { try await call.run(client) }
                #expect(error != nil)
            }
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func writes_to_an_unknown_session_can_be_refused(_ way: Way) async throws {
        try await withClient(way, missingSession: .reject) { client async throws in
            let add = await failure { try await client.addFeedback(sessionID: "s") }
            #expect(add?.code == .notFound)
            let update = await failure { try await client.updateMetadata(sessionID: "s", [:]) }
            #expect(update?.code == .notFound)
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: ["", "@abstract", "/tmp/a\0b", "/tmp/" + String(repeating: "x", count: 103)])
    func a_path_that_can_be_no_socket_s_is_refused_at_once(_ path: String) {
        #expect {
            try FeedbackClient(socket: path)
        } throws: {
            ($0 as? CallError)?.code == .invalidArgument
        }
    }

    @Test func the_longest_path_that_can_be_a_socket_s_is_taken() throws {
        _ = try FeedbackClient(socket: "/tmp/" + String(repeating: "x", count: 102))
    }
}
