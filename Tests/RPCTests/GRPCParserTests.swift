import Foundation
import Testing

@testable import RPC

@Suite("gRPC's small formats")
struct GRPCParserTests {
    private func timeout(_ text: String) -> Duration? {
        Data(text.utf8).withUnsafeBytes { GRPCTimeout.duration($0) }
    }

    @Test func timeouts_have_up_to_eight_digits_and_a_unit() {
        #expect(timeout("1H") == .seconds(3_600))
        #expect(timeout("2M") == .seconds(120))
        #expect(timeout("3S") == .seconds(3))
        #expect(timeout("4m") == .milliseconds(4))
        #expect(timeout("5u") == .microseconds(5))
        #expect(timeout("6n") == .nanoseconds(6))
        #expect(timeout("0S") == .zero)
        #expect(timeout("99999999H") == .seconds(99_999_999 * 3_600))
        for text in [
            "", "S", "1", "123456789S", "1 S", "-1S", "+1S", "1s", "1h", "1SS", "\u{660}S",
        ] {
            #expect(timeout(text) == nil, "\(text)")
        }
    }

    private func percent(_ text: String, bytesMax: Int = 1_000) -> String {
        String(decoding: PercentEncoding.encode(text, bytesMax: bytesMax), as: UTF8.self)
    }

    @Test func messages_are_percent_encoded_but_for_visible_ascii() {
        let visible = String(decoding: (0x20...0x7E).filter { $0 != 0x25 }, as: UTF8.self)
        #expect(percent(visible) == visible)
        #expect(percent("100%") == "100%25")
        #expect(percent("\t\r\n\u{7F}\u{0}") == "%09%0D%0A%7F%00")
        #expect(percent("ü😀") == "%C3%BC%F0%9F%98%80")
    }

    @Test func messages_are_cut_between_characters() {
        #expect(percent("abc", bytesMax: 2) == "ab")
        #expect(percent("aü", bytesMax: 6) == "a")
        #expect(percent("aü", bytesMax: 7) == "a%C3%BC")
        #expect(percent("", bytesMax: 0) == "")
    }

    private func decode(_ text: String) -> [UInt8]? {
        Data(text.utf8).withUnsafeBytes { Base64.decode($0[...]) }
    }

    @Test func base64_is_written_without_padding_and_read_with_and_without() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 37 + length) }
            let padded = Data(bytes).base64EncodedString()
            let plain = padded.replacing("=", with: "")
            #expect(String(decoding: Base64.encode(bytes), as: UTF8.self) == plain)
            #expect(decode(padded) == bytes)
            #expect(decode(plain) == bytes)
        }
    }

    @Test func what_is_not_base64_is_refused() {
        for text in ["A", "AAAAA", "?", "AA-_", "AA A", "A===", "=", "AA=A", "AAA==", "ü"] {
            #expect(decode(text) == nil, "\(text)")
        }
    }

    @Test func gzip_that_is_no_gzip_is_refused() {
        #expect(throws: GzipInflater.Failure.malformed) {
            try GzipInflater.inflate([], bytesMax: 100)
        }
        #expect(throws: GzipInflater.Failure.malformed) {
            try GzipInflater.inflate([0x1F, 0x8B, 8, 0], bytesMax: 100)
        }
    }

    /// "hello" three times, compressed by gzip(1).
    private let hello: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xFF, 0xCB, 0x48, 0xCD, 0xC9, 0xC9,
        0xCF, 0x80, 0x13, 0x00, 0x0B, 0xB4, 0x21, 0x3E, 0x0F, 0x00, 0x00, 0x00,
    ]

    @Test func gzip_is_limited_to_the_byte() throws {
        let text = Array("hellohellohello".utf8)
        #expect(try GzipInflater.inflate(hello, bytesMax: 100) == text)
        #expect(try GzipInflater.inflate(hello, bytesMax: 15) == text)
        for limit in 0..<15 {
            #expect(throws: GzipInflater.Failure.tooLarge) {
                try GzipInflater.inflate(hello, bytesMax: limit)
            }
        }
        for count in 0..<hello.count {
            #expect(throws: GzipInflater.Failure.malformed) {
                try GzipInflater.inflate(Array(hello.prefix(count)), bytesMax: 100)
            }
        }
        #expect(throws: GzipInflater.Failure.malformed) {
            try GzipInflater.inflate(hello + [0], bytesMax: 100)
        }
    }
}

@Suite("cutting gRPC's messages")
struct GRPCMessageDecoderTests {
    private struct Seen: Equatable {
        var bytes: [UInt8]
        var isCompressed: Bool
    }

    private func decode(_ pieces: [Data], messageBytesMax: Int = 1_000) throws -> [Seen] {
        var decoder = GRPCMessageDecoder(messageBytesMax: messageBytesMax)
        var seen: [Seen] = []
        for piece in pieces {
            try piece.withUnsafeBytes { bytes in
                var rest = bytes
                while let message = try decoder.next(&rest) {
                    seen.append(Seen(bytes: message.bytes.copy, isCompressed: message.isCompressed))
                }
            }
        }
        #expect(!decoder.isInsideMessage)
        return seen
    }

    private let stream =
        HTTP2Peer.message(Data("hello".utf8)) + HTTP2Peer.message(Data())
        + HTTP2Peer.message(Data(repeating: 7, count: 300), isCompressed: true)

    private let messages = [
        Seen(bytes: Array("hello".utf8), isCompressed: false),
        Seen(bytes: [], isCompressed: false),
        Seen(bytes: Array(repeating: 7, count: 300), isCompressed: true),
    ]

    @Test func joined_messages_come_out_one_by_one() throws {
        #expect(try decode([stream]) == messages)
    }

    @Test func every_split_gives_the_same_messages() throws {
        for split in 0...stream.count {
            #expect(try decode([stream[..<split], stream[split...]]) == messages)
        }
    }

    @Test func one_byte_at_a_time_gives_the_same_messages() throws {
        #expect(try decode(stream.map { Data([$0]) }) == messages)
    }

    private func takeAll(_ bytes: Data, _ decoder: inout GRPCMessageDecoder) throws {
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while try decoder.next(&rest) != nil {}
        }
    }

    @Test func a_message_in_one_piece_is_not_copied() throws {
        var decoder = GRPCMessageDecoder(messageBytesMax: 1_000)
        try stream.withUnsafeBytes { bytes in
            var rest = bytes
            while let message = try decoder.next(&rest) {
                if case .owned = message.bytes { Issue.record("the message was copied") }
            }
        }
    }

    @Test func a_prefix_above_the_limit_is_refused_at_its_last_byte() throws {
        let prefix = Data([0]) + HTTP2Peer.bytes(1_001)
        #expect(throws: GRPCMessageDecoder.Failure.tooLarge(1_001)) { try decode([prefix]) }
        var decoder = GRPCMessageDecoder(messageBytesMax: 1_000)
        try takeAll(prefix.dropLast(), &decoder)
        #expect(decoder.isInsideMessage)
        #expect(decoder.heldBytes == 0)
    }

    @Test func nothing_is_collected_after_a_failure() {
        var decoder = GRPCMessageDecoder(messageBytesMax: 1_000)
        for piece in [Data([0]) + HTTP2Peer.bytes(1_001), Data(count: 100)] {
            #expect(throws: GRPCMessageDecoder.Failure.tooLarge(1_001)) {
                try takeAll(piece, &decoder)
            }
        }
        #expect(decoder.heldBytes == 0)
    }

    @Test func memory_grows_with_what_arrives() throws {
        var decoder = GRPCMessageDecoder(messageBytesMax: 1 << 30)
        let beginning = Data([0]) + HTTP2Peer.bytes(1 << 30) + Data([1, 2, 3])
        try takeAll(beginning, &decoder)
        #expect(decoder.heldBytes == 3)
    }

    @Test func an_unknown_flag_is_refused() {
        #expect(throws: GRPCMessageDecoder.Failure.unknownFlag(2)) {
            try decode([Data([2, 0, 0, 0, 0])])
        }
    }
}

@Suite("looking through HTTP/2's frames")
struct HTTP2FrameScannerTests {
    private let stream =
        HTTP2Peer.preface + HTTP2Peer.frame(HTTP2Peer.Kind.settings)
        + HTTP2Peer.frame(HTTP2Peer.Kind.headers, stream: 1, Data("abc".utf8))
        + HTTP2Peer.frame(HTTP2Peer.Kind.continuation, flags: 4, stream: 1, Data(count: 300))
        + HTTP2Peer.frame(HTTP2Peer.Kind.ping, Data(count: 8))

    private let headers = [
        HTTP2FrameScanner.Header(length: 0, kind: 4, flags: 0),
        HTTP2FrameScanner.Header(length: 3, kind: 1, flags: 0),
        HTTP2FrameScanner.Header(length: 300, kind: 9, flags: 4),
        HTTP2FrameScanner.Header(length: 8, kind: 6, flags: 0),
    ]

    @Test func every_split_gives_the_same_headers() {
        for split in 0...stream.count {
            var scanner = HTTP2FrameScanner()
            var seen: [HTTP2FrameScanner.Header] = []
            for piece in [stream[..<split], stream[split...]] {
                piece.withUnsafeBytes { scanner.scan($0) { seen.append($0) } }
            }
            #expect(seen == headers)
            #expect(!scanner.isInsideFrame)
        }
    }

    @Test func it_knows_when_a_frame_or_a_block_is_unfinished() {
        var scanner = HTTP2FrameScanner()
        var finished: [Int] = []
        for (index, byte) in stream.enumerated() {
            Data([byte]).withUnsafeBytes { scanner.scan($0) { _ in } }
            if scanner.hasPreface, !scanner.isInsideFrame { finished.append(index + 1) }
        }
        // The scanner is outside of a frame after the preface, and after every frame but the header
        // that is continued.
        let ends = [24, 33, 33 + 12 + 309, stream.count]
        #expect(finished == ends)
    }

    @Test func a_bucket_lets_through_a_burst_and_then_a_rate() {
        let start = ContinuousClock.now
        var bucket = TokenBucket(burst: 3, perSecond: 10, now: start)
        #expect((0..<4).map { _ in bucket.take(now: start) } == [true, true, true, false])
        #expect(bucket.take(now: start + .milliseconds(90)) == false)
        #expect(bucket.take(now: start + .milliseconds(100)) == true)
        #expect(bucket.take(now: start + .milliseconds(100)) == false)
        bucket.give()
        #expect(bucket.take(now: start + .milliseconds(100)) == true)
        // There are never more tokens than the burst.
        let later = start + .seconds(3_600)
        #expect((0..<4).map { _ in bucket.take(now: later) } == [true, true, true, false])
    }
}
