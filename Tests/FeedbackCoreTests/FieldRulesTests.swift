import FeedbackCore
import FeedbackModel
import StoreContract
import Testing

/// A change that just meets a rule, or just breaks it, and the fields that are then at fault.
private struct DraftCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let fields: [String]
    let draft: FeedbackDraft

    init(
        _ description: String,
        _ fields: [String],
        _ change: (inout FeedbackDraft) -> Void
    ) {
        var draft = FeedbackDraft(sessionID: "s")
        change(&draft)
        self.testDescription = description
        self.fields = fields
        self.draft = draft
    }
}

private func bytes(_ count: Int) -> String { String(repeating: "x", count: count) }

/// One grapheme cluster of four code points and 14 bytes.
private let astronaut = "\u{1F469}\u{1F3FD}\u{200D}\u{1F680}"

struct FieldRulesTests {
    private static let cases: [DraftCase] = [
        DraftCase("an empty session_id", ["session_id"]) { $0.sessionID = "" },
        DraftCase("a session_id of 255 bytes", []) { $0.sessionID = bytes(255) },
        DraftCase("a session_id of 256 bytes", ["session_id"]) { $0.sessionID = bytes(256) },
        DraftCase("a session_id of 128 two-byte letters", ["session_id"]) {
            $0.sessionID = String(repeating: "é", count: 128)
        },
        DraftCase("a request_id of 255 bytes", []) { $0.requestID = bytes(255) },
        DraftCase("a request_id of 256 bytes", ["request_id"]) { $0.requestID = bytes(256) },
        DraftCase("a message_id of 255 bytes", []) { $0.messageID = bytes(255) },
        DraftCase("a message_id of 256 bytes", ["message_id"]) { $0.messageID = bytes(256) },
        DraftCase("an agent_id of 255 bytes", []) { $0.agentID = bytes(255) },
        DraftCase("an agent_id of 256 bytes", ["agent_id"]) { $0.agentID = bytes(256) },
        DraftCase("an author.id of 255 bytes", []) { $0.author = Author(id: bytes(255)) },
        DraftCase("an author.id of 256 bytes", ["author.id"]) {
            $0.author = Author(id: bytes(256))
        },
        DraftCase("a comment of 10,000 code points", []) { $0.comment = bytes(10_000) },
        DraftCase("a comment of 10,001 code points", ["comment"]) { $0.comment = bytes(10_001) },
        DraftCase("a comment of 10,000 code points in 40,000 bytes", []) {
            $0.comment = String(repeating: "\u{1F600}", count: 10_000)
        },
        DraftCase("a comment of 2,500 graphemes with 10,000 code points", []) {
            $0.comment = String(repeating: astronaut, count: 2_500)
        },
        DraftCase("a comment of 2,501 graphemes with 10,004 code points", ["comment"]) {
            $0.comment = String(repeating: astronaut, count: 2_501)
        },
        DraftCase("16 tags of 64 bytes", []) {
            $0.tags = Array(repeating: bytes(64), count: 16)
        },
        DraftCase("17 tags", ["tags"]) { $0.tags = Array(repeating: "t", count: 17) },
        DraftCase("a tag of 65 bytes", ["tags"]) { $0.tags = ["t", bytes(65)] },
        DraftCase("an empty tag", ["tags"]) { $0.tags = [""] },
        DraftCase("32 attributes", []) { $0.attributes = attributes(32) },
        DraftCase("33 attributes", ["attributes"]) { $0.attributes = attributes(33) },
        DraftCase("the longest attribute", []) { $0.attributes = [bytes(64): bytes(1_024)] },
        DraftCase("an attribute with a key of 65 bytes", ["attributes.key"]) {
            $0.attributes = [bytes(65): ""]
        },
        DraftCase("an attribute with an empty key", ["attributes.key"]) {
            $0.attributes = ["": "v"]
        },
        DraftCase("an attribute with a value of 1,025 bytes", ["attributes.value"]) {
            $0.attributes = ["k": bytes(1_025)]
        },
        DraftCase(
            "NUL everywhere",
            [
                "session_id", "request_id", "message_id", "agent_id", "author.id", "comment",
                "tags", "attributes.key", "attributes.value",
            ]
        ) {
            $0 = FeedbackDraft(
                sessionID: "s\0",
                comment: "\0",
                requestID: "\0",
                messageID: "\0",
                agentID: "\0",
                author: Author(id: "\0"),
                tags: ["\0"],
                attributes: ["\0": "\0"]
            )
        },
    ]

    private let service = FeedbackService(store: MemoryStore())

    @Test(arguments: cases)
    private func of_a_feedback_name_every_field_at_fault(_ example: DraftCase) async throws {
        #expect(await faults { _ = try await service.add(example.draft) } == example.fields)
        let stored = try await service.list(FeedbackQuery()).totalSize
        #expect(stored == (example.fields.isEmpty ? 1 : 0))
    }

    @Test func a_message_says_what_would_be_accepted_and_not_what_was_sent() async {
        do {
            _ = try await service.add(FeedbackDraft(sessionID: bytes(300)))
            Issue.record("nothing was thrown")
        } catch {
            let message = (error as? CallError)?.message ?? ""
            #expect(message == "session_id: must be at most 255 bytes, has 300")
        }
    }

    @Test func of_a_list_hold_for_every_field() async {
        let early = Timestamp(
            millisecondsSinceEpoch: Timestamp.range.lowerBound.millisecondsSinceEpoch - 1
        )
        let late = Timestamp(
            millisecondsSinceEpoch: Timestamp.range.upperBound.millisecondsSinceEpoch + 1
        )
        let broken = FeedbackQuery(
            sessionID: bytes(256),
            created: TimeRange(from: early, until: late),
            messageID: bytes(256),
            pageSize: 1_001
        )
        #expect(
            await faults { _ = try await service.list(broken) } == [
                "session_id", "message_id", "created_at_or_after", "created_before", "page_size",
            ]
        )
        let widest = TimeRange(from: Timestamp.range.lowerBound, until: Timestamp.range.upperBound)
        for pageSize in [0, 1, 1_000] {
            let query = FeedbackQuery(created: widest, pageSize: pageSize)
            #expect(await faults { _ = try await service.list(query) } == [])
        }
        let negative = FeedbackQuery(pageSize: -1)
        #expect(await faults { _ = try await service.list(negative) } == ["page_size"])
    }

    @Test func a_page_has_100_feedbacks_unless_it_is_said() async throws {
        for _ in 0..<101 { _ = try await service.add(FeedbackDraft(sessionID: "s")) }
        #expect(try await service.list(FeedbackQuery()).feedbacks.count == 100)
    }

    @Test func of_metrics_hold_for_every_field() async {
        for key in ["", "a.b", "$a", "a\0"] {
            let query = MetricsQuery(sessionID: bytes(256), grouping: .metadata(key: key))
            let found = await faults { _ = try await service.metrics(query) }
            #expect(found == ["session_id", "metadata_key"], "\(key)")
        }
        let query = MetricsQuery(grouping: .metadata(key: "a$"))
        #expect(await faults { _ = try await service.metrics(query) } == [])
    }

    @Test func of_metadata_hold_at_every_depth() async {
        func nested(_ depth: Int) -> Metadata {
            (1..<depth).reduce(["k": .null]) { inner, _ in ["k": .object(inner)] }
        }
        let cases: [(MetadataChange, [String])] = [
            (.merge(nested(16)), []), (.merge(nested(17)), ["metadata"]),
            (.merge(["k": .list([.object(nested(14))])]), []),
            (.merge(["k": .list([.object(nested(15))])]), ["metadata"]),
            (.merge(["k": .number(.infinity)]), ["metadata"]),
            (.merge(["k": .list([.number(.nan)])]), ["metadata"]),
            (.merge(["k": .string("\0")]), ["metadata"]), (.merge(["": .null]), ["metadata"]),
            (.merge(["k": .object(["a.b": .null])]), ["metadata"]),
            (.merge(["$k": .null]), ["metadata"]), (.remove(["a.b"]), ["keys"]),
        ]
        for (change, fields) in cases {
            let found = await faults {
                _ = try await service.changeMetadata(ofSession: "s", by: change)
            }
            #expect(found == fields, "\(change)")
        }
        let ofNone = await faults { _ = try await service.metadata(ofSession: "") }
        #expect(ofNone == ["session_id"])
    }

    @Test func unknown_sessions_are_not_found() async {
        let read = await errorCode { try await service.metadata(ofSession: "s") }
        #expect(read == .notFound)
        let removal = await errorCode {
            try await service.changeMetadata(ofSession: "s", by: .remove(["a"]))
        }
        #expect(removal == .notFound)
        let rejecting = FeedbackService(store: MemoryStore(), missingSession: .reject)
        let codes = [
            await errorCode { try await rejecting.add(FeedbackDraft(sessionID: "s")) },
            await errorCode {
                try await rejecting.changeMetadata(ofSession: "s", by: .merge([:]))
            },
        ]
        #expect(codes == [.notFound, .notFound])
    }

    private func faults(_ body: () async throws -> Void) async -> [String] {
        do {
            try await body()
            return []
        } catch {
            guard let error = error as? CallError, error.code == .invalidArgument else {
                return ["\(error)"]
            }
            return error.violations.map(\.field)
        }
    }
}

private func attributes(_ count: Int) -> Attributes {
    (0..<count).reduce(into: [:]) { $0["k\($1)"] = "" }
}
