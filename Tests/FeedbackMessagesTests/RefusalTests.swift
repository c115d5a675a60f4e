import FeedbackMessages
import FeedbackModel
import Foundation
import TestSupport
import Testing

@Suite("requests that a server refuses to decode")
struct RefusalTests {
    private let add = FeedbackMethods.addFeedback
    private let list = FeedbackMethods.listFeedbacks
    private let metrics = FeedbackMethods.getMetrics
    private let update = SessionMethods.updateMetadata

    private func expectInvalid(
        _ error: CallError?,
        _ field: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(error?.code == .invalidArgument, sourceLocation: sourceLocation)
        #expect(error?.violations.map(\.field) == [field], sourceLocation: sourceLocation)
        #expect(error?.message.hasPrefix("\(field): ") == true, sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        Data([0xC0, 0x80]), Data([0xED, 0xA0, 0x80]), Data([0xFF]), Data([0x61, 0]),
    ])
    func text_that_is_none_is_named(_ text: Data) throws {
        let names = [
            1: "session_id", 3: "comment", 4: "request_id", 5: "message_id", 6: "agent_id",
            8: "tags",
        ]
        for (number, name) in names {
            expectInvalid(try add.refusal(of: Wire.field(number, text)), name)
        }
        expectInvalid(try add.refusal(of: Wire.field(7, Wire.field(2, text))), "author.id")
        expectInvalid(try add.refusal(of: Wire.field(9, Wire.field(1, text))), "attributes.key")
        expectInvalid(try add.refusal(of: Wire.field(9, Wire.field(2, text))), "attributes.value")
        expectInvalid(try list.refusal(of: Wire.field(8, text)), "page_token")
        expectInvalid(try metrics.refusal(of: Wire.field(5, text)), "metadata_key")
        let deliveries = DeliveryMethods.listDeliveries
        expectInvalid(try deliveries.refusal(of: Wire.field(1, text)), "destination")
        expectInvalid(try deliveries.refusal(of: Wire.field(4, text)), "page_token")
        let drop = DeliveryMethods.dropDeliveries
        expectInvalid(try drop.refusal(of: Wire.field(2, text)), "delivery_ids")
        let rewind = DeliveryMethods.rewindDestination
        expectInvalid(try rewind.refusal(of: Wire.field(1, text)), "name")
        expectInvalid(try rewind.refusal(of: Wire.field(2, text)), "position")
        let keys = SessionMethods.deleteMetadata
        expectInvalid(try keys.refusal(of: Wire.field(2, text)), "keys")
        expectInvalid(try SessionMethods.getMetadata.refusal(of: Wire.field(1, text)), "session_id")
    }

    @Test(arguments: [12, 127, 1 << 32, UInt64(bitPattern: -1)] as [UInt64])
    func an_unknown_enum_value_is_named(_ value: UInt64) throws {
        expectInvalid(try add.refusal(of: Wire.field(2, value)), "rating")
        expectInvalid(try add.refusal(of: Wire.field(7, Wire.field(1, value))), "author.source")
        expectInvalid(try list.refusal(of: Wire.field(2, value)), "ratings")
        expectInvalid(
            try list.refusal(of: Wire.field(2, Wire.varint(1) + Wire.varint(value))),
            "ratings"
        )
        expectInvalid(try metrics.refusal(of: Wire.field(4, value)), "group_by")
    }

    @Test func faults_within_metadata_are_those_of_metadata() throws {
        func request(_ value: Data, key: Data = Data("k".utf8)) -> Data {
            Wire.field(2, Wire.field(1, Wire.field(1, key) + Wire.field(2, value)))
        }
        expectInvalid(try update.refusal(of: request(Data(), key: Data([0xFF]))), "metadata")
        expectInvalid(try update.refusal(of: request(Wire.field(3, Data([0xFF])))), "metadata")
        expectInvalid(try update.refusal(of: request(Wire.field(3, "a\0"))), "metadata")
        expectInvalid(try update.refusal(of: request(Wire.field(1, 1))), "metadata")
        var value = Wire.field(3, "innermost")
        for _ in 0..<10_000 { value = Wire.field(6, Wire.field(1, value)) }
        expectInvalid(try update.refusal(of: request(value)), "metadata")
    }

    @Test func metadata_deeper_than_its_rule_is_still_decoded() throws {
        let metadata = Samples.metadata(levels: FieldLimits.metadataDepthMax + 1)
        let change = Change.changeMetadata(sessionID: "s", .merge(metadata))
        #expect(try update.request(try update.bytes(of: change)) == change)
    }

    @Test(arguments: [
        Data([0x80]), Data([0x0A, 0x7F]), Data([0x0B]), Data([0x00, 0x00]), Data("garbage".utf8),
        Wire.field(1, 1), Wire.field(7, 1), Data(repeating: 0xFF, count: 100),
    ])
    func garbage_is_internal_and_never_repeated(_ bytes: Data) throws {
        let error = try add.refusal(of: bytes)
        #expect(error?.code == .internal)
        #expect(error?.message == "the payload cannot be decoded as AddFeedbackRequest")
        #expect(error?.violations == [])
    }

    @Test func a_flood_of_unknown_fields_exhausts_the_memory_it_may_have() throws {
        let unknown = Wire.field(31, 0)
        let flood = Data((0..<256 << 10).flatMap { _ in unknown })
        for refusal in [
            try add.refusal(of: flood, memoryBytesMax: 4 << 20),
            try metrics.refusal(of: flood, memoryBytesMax: 4 << 20),
            try update.refusal(of: flood, memoryBytesMax: 4 << 20),
        ] {
            #expect(refusal?.code == .resourceExhausted)
        }
    }

    // MARK: - What is declared and not served

    private func expectUnserved<Request, Response>(
        _ method: MethodCodec<Request, Response>,
        _ fields: [(Int, String)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (number, name) in fields {
            for content in [Wire.field(number, ""), Wire.field(number, 1)] {
                let error = try method.refusal(of: Wire.field(1, "s") + content)
                #expect(error?.code == .unimplemented, "\(name)", sourceLocation: sourceLocation)
                #expect(
                    error?.message == "\(name) is not served yet",
                    sourceLocation: sourceLocation
                )
            }
        }
    }

    @Test func a_field_that_is_not_served_is_named_and_never_dropped() throws {
        try expectUnserved(
            add,
            [
                (10, "key"), (11, "score"), (12, "label"), (13, "reasons"), (14, "correction"),
                (15, "trace_id"), (16, "span_id"), (17, "response_id"), (18, "extra"),
            ]
        )
        let filters = [
            (10, "agent_id"), (11, "author_id"), (12, "author_source"), (13, "keys"), (14, "tags"),
            (15, "attributes"), (16, "text"), (17, "reasons"), (18, "trace_id"),
        ]
        try expectUnserved(list, filters)
        try expectUnserved(metrics, filters + [(7, "page_size"), (8, "page_token")])
        try expectUnserved(update, [(3, "document"), (4, "typed"), (5, "dotted")])
        try expectUnserved(SessionMethods.getMetadata, [(4, "typed")])
        try expectUnserved(SessionMethods.deleteMetadata, [(4, "typed"), (5, "dotted")])
    }

    /// The score is a number of 64 bits, which the other samples are not.
    @Test func a_score_is_named_too_even_if_it_is_0() throws {
        let score = Data([11 << 3 | 1]) + Data(count: 8)
        #expect(try add.refusal(of: score)?.message == "score is not served yet")
    }

    @Test(arguments: 5...11 as ClosedRange<UInt64>)
    func a_grouping_that_is_not_served_is_refused(_ value: UInt64) throws {
        for key in [Data(), Wire.field(5, "team")] {
            let error = try metrics.refusal(of: Wire.field(4, value) + key)
            #expect(error?.code == .unimplemented)
            #expect(error?.message == "this value of group_by is not served yet")
        }
    }

    // MARK: - Moments

    private func moment(seconds: Int64, nanos: Int64 = 0) -> Data {
        Wire.field(1, UInt64(bitPattern: seconds)) + Wire.field(2, UInt64(bitPattern: nanos))
    }

    @Test(
        arguments: [
            (0, -1), (0, 1_000_000_000), (0, Int64(Int32.max)), (0, Int64(Int32.min)), (.min, 0),
            (.max, 0), (.max, 999_999_999), (Int64.min / 1_000, 0),
            (Int64.max / 1_000, 999_999_999),
            (-62_135_596_801, 999_999_999), (253_402_300_800, 0),
        ] as [(Int64, Int64)]
    )
    func a_moment_outside_of_the_calendar_is_named(_ seconds: Int64, _ nanos: Int64) throws {
        let bytes = moment(seconds: seconds, nanos: nanos)
        expectInvalid(try list.refusal(of: Wire.field(3, bytes)), "created_at_or_after")
        expectInvalid(try list.refusal(of: Wire.field(4, bytes)), "created_before")
        expectInvalid(try metrics.refusal(of: Wire.field(2, bytes)), "created_at_or_after")
        expectInvalid(try metrics.refusal(of: Wire.field(3, bytes)), "created_before")
    }

    @Test(
        arguments: [
            (0, 0, 0), (0, 1, 1), (0, 999_999, 1), (0, 1_000_000, 1), (0, 1_000_001, 2),
            (-1, 999_999_999, 0), (-1, 0, -1_000), (1, 500_000_000, 1_500),
            (-62_135_596_800, 0, -62_135_596_800_000),
            (253_402_300_799, 999_000_000, 253_402_300_799_999),
            // The value of Python's datetime.max.
            (253_402_300_799, 999_999_000, 253_402_300_799_999),
            (253_402_300_799, 999_999_999, 253_402_300_799_999),
        ] as [(Int64, Int64, Int64)]
    )
    func a_bound_is_rounded_up_to_milliseconds(
        _ seconds: Int64,
        _ nanos: Int64,
        _ milliseconds: Int64
    ) throws {
        let bytes = moment(seconds: seconds, nanos: nanos)
        let expected = Timestamp(millisecondsSinceEpoch: milliseconds)
        let query = try list.request(Wire.field(3, bytes) + Wire.field(4, bytes))
        #expect(query.filter.created == TimeRange(from: expected, until: expected))
        let measure = try metrics.request(Wire.field(2, bytes) + Wire.field(3, bytes))
        #expect(measure.created == TimeRange(from: expected, until: expected))
        #expect(Timestamp.range.contains(expected))
    }

    @Test(arguments: [Int64.min, .min + 1, .min + 808, -1, 0, 1, .max - 807, .max])
    func any_timestamp_can_be_encoded(_ milliseconds: Int64) throws {
        let bound = Timestamp(millisecondsSinceEpoch: milliseconds)
        let bytes = try list.bytes(of: FeedbackQuery(created: TimeRange(from: bound)))
        if Timestamp.range.contains(bound) {
            #expect(try list.request(bytes).filter.created.from == bound)
        } else {
            expectInvalid(try list.refusal(of: bytes), "created_at_or_after")
        }
    }

    @Test(arguments: [0, 1, 3, 4] as [UInt64])
    func a_metadata_key_goes_with_its_grouping_only(_ grouping: UInt64) throws {
        let bytes = Wire.field(4, grouping) + Wire.field(5, "team")
        expectInvalid(try metrics.refusal(of: bytes), "metadata_key")
    }
}

@Suite("requests that a client refuses to encode")
struct EncodingTests {
    private func expectInvalid(_ field: String, _ encode: () throws -> Data) {
        #expect {
            _ = try encode()
        } throws: { error in
            guard let error = error as? CallError else { return false }
            return error.code == .invalidArgument && error.violations.map(\.field) == [field]
        }
    }

    @Test func text_with_a_nul_is_refused_instead_of_cut() {
        let changes: [(String, (inout FeedbackDraft) -> Void)] = [
            ("session_id", { $0.sessionID = "a\0b" }), ("comment", { $0.comment = "a\0b" }),
            ("request_id", { $0.requestID = "\0" }), ("message_id", { $0.messageID = "\0" }),
            ("agent_id", { $0.agentID = "\0" }), ("author.id", { $0.author = Author(id: "\0") }),
            ("tags", { $0.tags = ["a", "\0"] }), ("attributes.key", { $0.attributes = ["\0": ""] }),
            ("attributes.value", { $0.attributes = ["a": "\0"] }),
        ]
        for (field, change) in changes {
            var draft = FeedbackDraft(sessionID: "s")
            change(&draft)
            expectInvalid(field) { try FeedbackMethods.addFeedback.bytes(of: .add(draft)) }
        }
        let list = FeedbackMethods.listFeedbacks
        expectInvalid("session_id") { try list.bytes(of: FeedbackQuery(sessionID: "\0")) }
        expectInvalid("message_id") { try list.bytes(of: FeedbackQuery(messageID: "\0")) }
        expectInvalid("page_token") { try list.bytes(of: FeedbackQuery(pageToken: "\0")) }
        expectInvalid("metadata_key") {
            try FeedbackMethods.getMetrics.bytes(of: MetricsQuery(grouping: .metadata(key: "\0")))
        }
        // On the wire, an empty one would mean every session.
        expectInvalid("session_id") { try list.bytes(of: FeedbackQuery(sessionID: "")) }
        expectInvalid("session_id") {
            try FeedbackMethods.getMetrics.bytes(of: MetricsQuery(sessionID: ""))
        }
        for metadata: Metadata in [["\0": .null], ["k": .list([.string("\0")])]] {
            expectInvalid("metadata") {
                try SessionMethods.updateMetadata.bytes(
                    of: .changeMetadata(sessionID: "s", .merge(metadata))
                )
            }
        }
        expectInvalid("keys") {
            try SessionMethods.deleteMetadata.bytes(
                of: .changeMetadata(sessionID: "s", .remove(["\0"]))
            )
        }
        expectInvalid("session_id") { try SessionMethods.getMetadata.bytes(of: "\0") }
    }

    @Test func a_request_beyond_the_memory_is_resource_exhausted() {
        let draft = FeedbackDraft(
            sessionID: "s",
            comment: String(repeating: "x", count: 33 << 20)
        )
        #expect {
            try FeedbackMethods.addFeedback.bytes(of: .add(draft))
        } throws: {
            ($0 as? CallError)?.code == .resourceExhausted
        }
    }
}

@Suite("replies that a client refuses to decode")
struct ReplyTests {
    private func expectInternal<Request, Response>(
        _ method: MethodCodec<Request, Response>,
        _ bytes: Data,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(sourceLocation: sourceLocation) {
            _ = try method.response(bytes)
        } throws: { error in
            guard let error = error as? CallError else { return false }
            return error.code == .internal
                && error.message == "the server's reply is not a valid \(method.name)Response"
        }
    }

    @Test(arguments: [
        Data([0x80]), Data("garbage".utf8), Data(repeating: 0xFF, count: 100), Wire.field(1, 1),
        Wire.field(1, Data([0xFF])),
    ])
    func garbage_is_internal(_ bytes: Data) {
        expectInternal(FeedbackMethods.addFeedback, bytes)
        expectInternal(FeedbackMethods.listFeedbacks, bytes)
        expectInternal(FeedbackMethods.getMetrics, bytes)
        expectInternal(SessionMethods.updateMetadata, bytes)
        expectInternal(SessionMethods.getMetadata, bytes)
        expectInternal(SessionMethods.deleteMetadata, bytes)
    }

    @Test func replies_without_what_every_server_sends_are_internal() {
        expectInternal(FeedbackMethods.addFeedback, Data())
        expectInternal(FeedbackMethods.addFeedback, Wire.field(1, Wire.field(2, "s")))
        expectInternal(FeedbackMethods.listFeedbacks, Wire.field(1, Data()))
        expectInternal(FeedbackMethods.getMetrics, Data())
    }

    @Test func a_reply_with_an_impossible_moment_is_internal() {
        let feedback = Wire.field(5, Wire.field(1, UInt64(bitPattern: .max)))
        expectInternal(FeedbackMethods.addFeedback, Wire.field(1, feedback))
    }

    @Test func metrics_with_impossible_counts_are_internal() {
        let huge = Wire.field(2, UInt64(Int64.max)) + Wire.field(3, UInt64(Int64.max))
        let negative = Wire.field(4, UInt64(bitPattern: -1))
        for metrics in [huge, negative] {
            expectInternal(FeedbackMethods.getMetrics, Wire.field(1, metrics))
            let group = Wire.field(1, "g") + Wire.field(2, metrics)
            expectInternal(
                FeedbackMethods.getMetrics,
                Wire.field(1, Data()) + Wire.field(2, group)
            )
        }
    }
}
