import FeedbackMessages
import FeedbackModel
import Foundation
import ProtoCodec

extension MethodCodec {
    func bytes(of request: Request) throws -> Data {
        let arena = ProtoArena(bytesMax: 32 << 20)
        return Self.packed(try encodeRequest(request, arena))
    }

    func bytes(ofResponse response: Response) throws -> Data {
        let arena = ProtoArena(bytesMax: 32 << 20)
        return Self.packed(try encodeResponse(response, arena))
    }

    func request(_ bytes: Data, memoryBytesMax: Int = 32 << 20) throws -> Request {
        let arena = ProtoArena(bytesMax: memoryBytesMax)
        return try bytes.withUnsafeBytes { try decodeRequest($0, arena) }
    }

    func response(_ bytes: Data) throws -> Response {
        let arena = ProtoArena(bytesMax: 32 << 20)
        return try bytes.withUnsafeBytes { try decodeResponse($0, arena) }
    }

    /// Encodes the request and decodes it again.
    func passed(_ request: Request) throws -> Request { try self.request(try bytes(of: request)) }

    func passed(response: Response) throws -> Response {
        try self.response(try bytes(ofResponse: response))
    }

    /// Returns the error for a request of these bytes; nil if it is accepted.
    func refusal(of bytes: Data, memoryBytesMax: Int = 32 << 20) throws -> CallError? {
        do {
            _ = try request(bytes, memoryBytesMax: memoryBytesMax)
            return nil
        } catch let error as CallError {
            return error
        }
    }

    private static func packed(_ message: ProtoMessage) -> Data {
        var bytes = Data(count: message.packedSize)
        bytes.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { message.pack(to: start) }
        }
        return bytes
    }
}

/// Values with all fields set, or at the limits.
enum Samples {
    static func moment(_ seconds: Int64) -> Timestamp {
        Timestamp(millisecondsSinceEpoch: seconds * 1_000)
    }

    /// A destination with all its fields.
    static var destination: DestinationStatus {
        var status = DestinationStatus(
            name: "slack",
            kind: "webhook",
            position: LogPosition("0123456789abcdef-42")
        )
        status.changesBehind = 5
        status.secondsBehind = 60
        status.retryingCount = 7
        status.deadCount = 3
        status.skippedCount = 2
        status.lastError = "HTTP status 500"
        status.isPaused = true
        status.nextAttemptAt = moment(1_705_935_602)
        return status
    }

    /// A delivery with all its fields.
    static func delivery(_ state: Delivery.State) -> Delivery {
        Delivery(
            id: "0123456789abcdef-41",
            destination: "slack",
            feedbackID: FeedbackID(high: 0x018D_3F60_5A00_7B1C, low: 0x8A2F_0123_4567_89AB),
            sessionID: "user-123",
            state: state,
            attempts: 4,
            firstAttemptAt: moment(1_705_935_601),
            nextAttemptAt: state == .dead ? nil : moment(1_705_935_602),
            lastError: "HTTP status 500",
            feedback: stored(draft)
        )
    }

    static let draft = FeedbackDraft(
        sessionID: "user-123",
        rating: .down,
        comment: "Zu langsam — 日本語 🎉\n\"e\u{301}\"",
        requestID: "request-1",
        messageID: "message-1",
        agentID: "agent-1",
        author: Author(source: .human, id: "anna"),
        tags: ["slow", "", "größe", "slow"],
        attributes: [
            "model": "m-1", "": "empty key", "ключ": "", "z": "ü", "\u{E9}": "e\u{301}",
            "e\u{301}": "\u{E9}",
        ]
    )

    static let draftAtTheLimits = FeedbackDraft(
        sessionID: String(repeating: "s", count: FieldLimits.idBytesMax),
        rating: .up,
        comment: String(repeating: "🎉", count: FieldLimits.commentCodePointsMax),
        requestID: String(repeating: "r", count: FieldLimits.idBytesMax),
        messageID: String(repeating: "m", count: FieldLimits.idBytesMax),
        agentID: String(repeating: "a", count: FieldLimits.idBytesMax),
        author: Author(source: .code, id: String(repeating: "i", count: FieldLimits.idBytesMax)),
        tags: Array(
            repeating: String(repeating: "ü", count: FieldLimits.tagBytesMax / 2),
            count: FieldLimits.tagsMax
        ),
        attributes: (10..<10 + FieldLimits.attributesMax).reduce(into: [:]) {
            let key = String(repeating: "k", count: FieldLimits.attributeKeyBytesMax - 2)
            $0["\($1)\(key)"] = String(repeating: "v", count: FieldLimits.attributeValueBytesMax)
        }
    )

    /// Returns the feedback as messages contain it: without the request_id.
    static func stored(
        _ draft: FeedbackDraft,
        at milliseconds: Int64 = 1_705_935_600_123
    ) -> Feedback {
        var draft = draft
        draft.requestID = ""
        return Feedback(
            id: FeedbackID(high: 0x018d_3f60_5a00_7b1c, low: 0x8a2f_0123_4567_89ab),
            draft: draft,
            createdAt: Timestamp(millisecondsSinceEpoch: milliseconds),
            updatedAt: Timestamp(millisecondsSinceEpoch: milliseconds + 1_001)
        )
    }

    static let query = FeedbackQuery(
        sessionID: "user-123",
        ratings: [.none, .up, .down],
        created: TimeRange(
            from: Timestamp(millisecondsSinceEpoch: -1),
            until: Timestamp(millisecondsSinceEpoch: 1_705_935_600_123)
        ),
        messageID: "message-1",
        hasComment: true,
        newestFirst: true,
        pageSize: 1_000,
        pageToken: "0123456789abcdef"
    )

    static let metadata: Metadata = [
        "null": .null, "yes": .bool(true), "no": .bool(false), "text": .string("日本語 🎉"),
        "empty": .string(""), "zero": .number(0), "number": .number(-1.5e300), "no list": .list([]),
        "list": .list([.null, .number(1), .string("a"), .list([.list([])]), .object(["a": .null])]),
        "no object": .object([:]), "object": .object(["k": .object(["": .bool(true)])]),
        "": .string("empty key"), "\u{E9}": .string("e\u{301}"),
        "e\u{301}": .object(["\u{E9}": .string("\u{E9}"), "e\u{301}": .null]),
    ]

    /// Returns metadata with `levels` levels of nesting.
    static func metadata(levels: Int) -> Metadata {
        var value = MetadataValue.string("innermost")
        for level in 1..<levels {
            value = level.isMultiple(of: 2) ? .list([value]) : .object(["k": value])
        }
        return ["k": value]
    }
}
