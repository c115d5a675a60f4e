import CallStatus
import Foundation
import Logging
import ProtoCodec
import TestSupport
import Testing

@testable import RPC

/// RELIABILITY.md, "gRPC", as far as the state of one call decides it.
@Suite("the state of a gRPC stream: the request")
struct GRPCStreamRequestTests {
    private enum Seen: Equatable {
        case run([UInt8])
        case deliver([UInt8])
        case endRequests
        case fail(CallError.Code)
    }

    private static let messageBytesMax = 100

    /// "hello" three times, by gzip(1).
    private static let gzip = Data([
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xFF, 0xCB, 0x48, 0xCD, 0xC9, 0xC9,
        0xCF, 0x80, 0x13, 0x00, 0x0B, 0xB4, 0x21, 0x3E, 0x0F, 0x00, 0x00, 0x00,
    ])

    private static func stream(
        isStreaming: Bool,
        fields: [(String, String)] = []
    ) -> GRPCStream<Int> {
        let stream = GRPCStream<Int>(id: 1, messageBytesMax: messageBytesMax)
        let router = Router(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        for (name, value) in fields {
            Data(name.utf8).withUnsafeBytes { name in
                Data(value.utf8).withUnsafeBytes { value in
                    stream.head.add(name: name, value: value, router: router, listBytesMax: 1_000)
                }
            }
        }
        stream.began(isStreaming: isStreaming)
        return stream
    }

    private static func take(_ bytes: Data, isLast: Bool, on stream: GRPCStream<Int>) -> [Seen] {
        var seen: [Seen] = []
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while let input = stream.next(&rest, isLast: isLast) {
                switch input {
                case .run(let message): seen.append(.run(message.copy))
                case .deliver(let message): seen.append(.deliver(message))
                case .endRequests: seen.append(.endRequests)
                case .fail(let status): seen.append(.fail(status.code))
                }
            }
        }
        return seen
    }

    /// Gives the request whole, with every split, and byte by byte, its end with the last bytes and
    /// after them, and expects the same.
    private func everySplit(
        of request: Data,
        isStreaming: Bool = false,
        fields: [(String, String)] = [],
        leadsTo expected: [Seen]
    ) {
        let splits = (0...request.count).map { [request.prefix($0), request.dropFirst($0)] }
        for pieces in splits + [request.map { Data([$0]) }] {
            for endsWithData in [true, false] {
                let stream = Self.stream(isStreaming: isStreaming, fields: fields)
                var seen: [Seen] = []
                for (index, piece) in pieces.enumerated() {
                    let isLast = endsWithData && index == pieces.count - 1
                    seen += Self.take(piece, isLast: isLast, on: stream)
                }
                // HTTP/2 tells the end once more.
                seen += Self.take(Data(), isLast: true, on: stream)
                #expect(seen == expected, "\(pieces.map(\.count)) \(endsWithData)")
                #expect(stream.inputHasEnded && !stream.takesInput && stream.heldBytes == 0)
            }
        }
    }

    private func message(_ text: String) -> Data { HTTP2Peer.message(Data(text.utf8)) }

    @Test func a_unary_call_runs_with_its_one_message_at_the_end() {
        everySplit(of: message("hello"), leadsTo: [.run(Array("hello".utf8))])
        everySplit(of: message(""), leadsTo: [.run([])])
    }

    @Test func a_unary_call_without_or_with_two_messages_fails() {
        everySplit(of: Data(), leadsTo: [.fail(.unimplemented)])
        everySplit(of: message("a") + message("b"), leadsTo: [.fail(.unimplemented)])
    }

    @Test func a_request_that_ends_within_a_message_fails() {
        for count in 1..<9 {
            everySplit(of: message("hell").prefix(count), leadsTo: [.fail(.internal)])
        }
    }

    @Test func a_message_above_the_limit_and_an_unknown_flag_fail() {
        let large = HTTP2Peer.message(Data(count: Self.messageBytesMax + 1))
        everySplit(of: large, leadsTo: [.fail(.resourceExhausted)])
        everySplit(of: Data([2, 0, 0, 0, 0]), leadsTo: [.fail(.internal)])
        everySplit(
            of: message("a") + large,
            isStreaming: true,
            leadsTo: [.deliver(Array("a".utf8)), .fail(.resourceExhausted)]
        )
    }

    @Test func compressed_messages_need_an_encoding_that_is_named() {
        let compressed = HTTP2Peer.message(Self.gzip, isCompressed: true)
        everySplit(of: compressed, leadsTo: [.fail(.internal)])
        everySplit(
            of: compressed,
            fields: [("grpc-encoding", "gzip")],
            leadsTo: [.run(Array("hellohellohello".utf8))]
        )
        everySplit(
            of: HTTP2Peer.message(Data([1, 2, 3]), isCompressed: true),
            fields: [("grpc-encoding", "gzip")],
            leadsTo: [.fail(.internal)]
        )
    }

    @Test func a_streaming_call_gets_each_message_and_the_end() {
        everySplit(of: Data(), isStreaming: true, leadsTo: [.endRequests])
        everySplit(
            of: message("a") + message("") + message("ccc"),
            isStreaming: true,
            leadsTo: [
                .deliver(Array("a".utf8)), .deliver([]), .deliver(Array("ccc".utf8)), .endRequests,
            ]
        )
    }

    @Test func nothing_that_arrives_after_the_outcome_is_of_use() {
        let outcomes: [(GRPCStream<Int>) -> Void] = [
            { _ = $0.fail(CallError(.aborted, "x")) }, { $0.finish() }, { _ = $0.end() },
        ]
        for decide in outcomes {
            let stream = Self.stream(isStreaming: true)
            _ = Self.take(message("hello").prefix(7), isLast: false, on: stream)
            #expect(stream.heldBytes > 0 && stream.isInsideMessage)
            decide(stream)
            #expect(stream.heldBytes == 0 && !stream.isInsideMessage)
            #expect(Self.take(message("hello").dropFirst(7), isLast: false, on: stream).isEmpty)
            #expect(!stream.inputHasEnded)
            #expect(Self.take(Data(), isLast: true, on: stream).isEmpty)
            #expect(stream.inputHasEnded)
        }
    }
}

/// Plays HTTP/2 and the session on the response of a ``GRPCStream``, without either.
private final class ResponsePlayer {
    let stream = GRPCStream<Int>(id: 1, messageBytesMax: 1_000)
    private(set) var headerCount = 0
    private(set) var trailers: [CallError.Code?] = []
    private(set) var trailersOnly: [CallError.Code] = []
    private(set) var bytes: [UInt8] = []
    private(set) var bytesAfterTheEnd = 0
    private let arena = ProtoArena(bytesMax: 1 << 16)

    /// Does what the stream says of its response; `isClosing` if trailers go with the next bytes.
    func perform(_ output: GRPCStream<Int>.Output) {
        switch output {
        case .nothing: break
        case .submitHeader: headerCount += 1
        case .resumeBody: #expect(headerCount == 1)
        case .submitTrailersOnly(let status): trailersOnly.append(status.code)
        case .submitTrailers(let status): trailers.append(status?.code)
        }
    }

    /// Asks for the body as long as there is some, in parts of at most that many bytes.
    func pull(bytesMax: Int, roomFor partsMax: Int = .max, packedMax: Int = .max) {
        guard headerCount > 0, trailers.isEmpty else { return }
        var parts = 0
        while true {
            switch stream.nextPart(bytesMax: bytesMax) {
            case .nothing: return
            case .build(let builder):
                guard build(builder, bytesMax: bytesMax, packedMax: packedMax) else { return }
            case .end(let status): return trailers.append(status?.code)
            case .bytes(let count):
                if parts == partsMax { return stream.hadNoRoom() }
                parts += 1
                if case .end(let status) = stream.trailers(afterPartOf: count) {
                    trailers.append(status?.code)
                }
                var part = [UInt8](repeating: 0, count: count)
                part.withUnsafeMutableBytes { part in
                    if let start = part.baseAddress {
                        _ = stream.writePart(count, to: start)
                    }
                }
                bytes += part
                if !trailers.isEmpty { return }
            }
        }
    }

    private func build(
        _ builder: @escaping MessageBuilder,
        bytesMax: Int,
        packedMax: Int
    ) -> Bool {
        do {
            let message = try arena.build(builder)
            let size = GRPCMessageDecoder.prefixBytes + message.packedSize
            if size <= bytesMax {
                stream.sendsWhole(message, builder)
            } else if size <= packedMax {
                stream.sendsParts(GRPCPackedMessage(message))
            } else {
                stream.waitsForMemory(builder)
                return false
            }
        } catch {
            stream.couldNotBuild(CallError(error))
        }
        return true
    }
}

@Suite("the state of a gRPC stream: the response")
struct GRPCStreamResponseTests {
    private static func builder(_ value: String) -> MessageBuilder {
        { arena in try EchoServer.encode(value, arena) }
    }

    private static let broken: MessageBuilder = { _ in throw CallError(.aborted, "broken") }

    private static func wire(_ value: String) -> [UInt8] {
        Array(HTTP2Peer.message(EchoServer.payload(value)))
    }

    private static let failure = CallError(.aborted, "x")

    @Test func a_reply_is_followed_by_its_trailers_whatever_the_window() {
        let expected = Self.wire("hello, hello")
        for bytesMax in 1...expected.count + 1 {
            let player = ResponsePlayer()
            player.perform(player.stream.reply(Self.builder("hello, hello")))
            player.pull(bytesMax: bytesMax)
            #expect(player.headerCount == 1 && player.bytes == expected)
            #expect(player.trailers == [nil] && player.stream.isFinished)
            #expect(player.stream.packedBytes == 0)
        }
    }

    @Test func where_there_is_no_room_the_message_is_built_again_or_goes_on() {
        let expected = Self.wire("hello, hello")
        for bytesMax in 1...expected.count {
            for partsMax in 0..<(expected.count + bytesMax - 1) / bytesMax {
                let player = ResponsePlayer()
                player.perform(player.stream.reply(Self.builder("hello, hello")))
                player.pull(bytesMax: bytesMax, roomFor: partsMax)
                #expect(player.trailers.isEmpty)
                player.pull(bytesMax: bytesMax)
                #expect(player.bytes == expected && player.trailers == [nil])
            }
        }
    }

    @Test func a_reply_that_cannot_be_built_is_a_failure() {
        let player = ResponsePlayer()
        player.perform(player.stream.reply(Self.broken))
        player.pull(bytesMax: 100)
        #expect(player.bytes.isEmpty && player.trailers == [.aborted])
    }

    @Test func a_response_that_cannot_be_built_leaves_the_stream_open() {
        let player = ResponsePlayer()
        player.perform(player.stream.offer(Self.broken))
        player.pull(bytesMax: 100)
        #expect(player.bytes.isEmpty && player.trailers.isEmpty)
        player.perform(player.stream.offer(Self.builder("x")))
        player.perform(player.stream.end())
        player.pull(bytesMax: 100)
        #expect(player.bytes.isEmpty && player.trailers == [nil])
    }

    @Test func a_failure_before_the_header_is_trailers_only() {
        let player = ResponsePlayer()
        player.perform(player.stream.fail(Self.failure))
        player.perform(player.stream.reply(Self.builder("late")))
        player.perform(player.stream.fail(Self.failure))
        player.pull(bytesMax: 100)
        #expect(player.headerCount == 0 && player.trailersOnly == [.aborted])
        #expect(player.stream.isFinished)
    }

    @Test func a_failure_lets_a_message_go_on_whose_part_is_sent_and_drops_another() {
        let player = ResponsePlayer()
        player.perform(player.stream.offer(Self.builder("hello, hello")))
        player.pull(bytesMax: 4, roomFor: 2)
        player.perform(player.stream.fail(Self.failure))
        #expect(player.trailers.isEmpty)
        player.pull(bytesMax: 4)
        #expect(player.bytes == Self.wire("hello, hello") && player.trailers == [.aborted])

        let other = ResponsePlayer()
        other.perform(other.stream.offer(Self.builder("hello, hello")))
        other.perform(other.stream.fail(Self.failure))
        #expect(other.trailers == [.aborted] && other.bytes.isEmpty)
    }

    @Test func a_message_waits_for_memory_until_others_are_sent() {
        let player = ResponsePlayer()
        player.perform(player.stream.offer(Self.builder("hello, hello")))
        player.pull(bytesMax: 4, packedMax: 5)
        #expect(player.bytes.isEmpty)
        #expect(player.stream.checkProgress(mayRead: true, bytesMin: 1) == nil)
        #expect(player.stream.stopsWaitingForMemory() && !player.stream.stopsWaitingForMemory())
        player.pull(bytesMax: 4)
        #expect(player.bytes == Self.wire("hello, hello"))
    }

    @Test func a_stream_that_does_not_come_far_enough_between_two_looks_stands_still() {
        let player = ResponsePlayer()
        let stream = player.stream
        #expect(stream.checkProgress(mayRead: true, bytesMin: 8) == nil)
        player.perform(stream.offer(Self.builder("hello, hello")))
        player.pull(bytesMax: 4, roomFor: 1)
        #expect(stream.checkProgress(mayRead: true, bytesMin: 8) == false, "the first look")
        player.pull(bytesMax: 4, roomFor: 2)
        #expect(stream.checkProgress(mayRead: true, bytesMin: 8) == false)
        player.pull(bytesMax: 4, roomFor: 1)
        #expect(stream.checkProgress(mayRead: true, bytesMin: 8) == true)
        player.pull(bytesMax: 4)
        #expect(stream.checkProgress(mayRead: true, bytesMin: 8) == nil)
    }

    @Test("every order of events gives one header, whole messages, and one end")
    func everyOrder() {
        enum Event: CaseIterable { case offer, reply, pull, pullPart, noRoom, end, fail, reset }
        let wire = Self.wire("hello")
        func play(_ events: [Event]) {
            let player = ResponsePlayer()
            let stream = player.stream
            var isReset = false
            for event in events {
                switch event {
                case .offer: player.perform(stream.offer(Self.builder("hello")))
                case .reply: player.perform(stream.reply(Self.builder("hello")))
                case .pull: player.pull(bytesMax: 100)
                case .pullPart: player.pull(bytesMax: 5, roomFor: 1)
                case .noRoom: player.pull(bytesMax: 100, roomFor: 0)
                case .end: player.perform(stream.end())
                case .fail: player.perform(stream.fail(Self.failure))
                case .reset:
                    stream.finish()
                    isReset = true
                }
            }
            player.pull(bytesMax: 100)
            let ends = player.trailers.count + player.trailersOnly.count
            let hasWholeMessages =
                player.bytes.count.isMultiple(of: wire.count)
                && player.bytes
                    == (0..<player.bytes.count / wire.count).flatMap { _ in wire }
            let isWhole =
                player.headerCount <= 1 && ends <= 1 && (hasWholeMessages || isReset)
                && (ends == 0 || stream.isFinished)
                && (player.trailersOnly.isEmpty || player.headerCount == 0)
            if !isWhole { Issue.record("\(events)") }
        }
        func extend(_ events: [Event]) {
            if events.count == 5 { return play(events) }
            for event in Event.allCases { extend(events + [event]) }
        }
        extend([])
    }
}
