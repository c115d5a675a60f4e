import CallStatus
import Foundation
import TestSupport
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, "Framing and bad input", on real sockets with hand-made frames.
@Suite("ttrpc server: frames and bad input")
struct TTRPCServerTests {
    private let echo: EchoServer

    init() throws { echo = try EchoServer() }

    /// Expects that a plain call on the connection succeeds.
    private func expectLife(_ connection: RawConnection, stream: UInt32 = 901) throws {
        connection.send(EchoServer.call(stream: stream, "Echo", "alive"))
        let frame = try connection.receiveFrame()
        #expect(frame?.streamID == stream)
        #expect(EchoServer.value(frame) == "alive")
    }

    @Test func a_call_is_answered_on_its_stream() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Echo", "hello"))
        let frame = try connection.receiveFrame()
        #expect(frame?.streamID == 1)
        #expect(frame?.kind == 2)
        #expect(EchoServer.value(frame) == "hello")
        await echo.stop()
    }

    @Test func replies_do_not_wait_for_calls_that_arrived_with_theirs() async throws {
        let connection = try echo.connect()
        let value = String(repeating: "v", count: 1_000)
        var calls = Data()
        for stream in stride(from: UInt32(1), to: 17, by: 2) {
            calls += EchoServer.call(stream: stream, "Echo", value)
        }
        connection.send(calls + EchoServer.call(stream: 17, "Block", "last"))
        let first = try connection.receiveFrame()
        #expect(first?.streamID == 1)
        echo.block.signal()
        var last = first
        while let frame = last, frame.streamID != 17 { last = try connection.receiveFrame() }
        #expect(EchoServer.value(last) == "last")
        await echo.stop()
    }

    @Test("1: data over 4 MiB is thrown away, and the connection lives")
    func oversize() async throws {
        let connection = try echo.connect()
        let length = (4 << 20) + 1
        connection.send(Wire.frame(stream: 1, length: length, Data(count: length)))
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        try expectLife(connection)
        await echo.stop()
    }

    @Test("2: a first length byte that is not 0 closes the connection at once")
    func desynchronised() async throws {
        let connection = try echo.connect()
        try expectLife(connection)
        connection.send(Data([1, 0, 0, 0, 0, 0, 0, 3, 1, 0]))
        #expect(try connection.isClosedByPeer())
        await echo.stop()
    }

    @Test("3: exactly 4 MiB is accepted")
    func largestRequest() async throws {
        let connection = try echo.connect()
        let around = Wire.request(EchoServer.service, "Echo", EchoServer.payload(""))
        // Two nested lengths of four bytes instead of one take six more bytes.
        let value = String(repeating: "v", count: (4 << 20) - around.count - 6)
        let data = Wire.request(EchoServer.service, "Echo", EchoServer.payload(value))
        #expect(data.count == 4 << 20)
        connection.send(Wire.frame(stream: 1, data))
        let frame = try connection.receiveFrame()
        #expect(EchoServer.value(frame)?.count == value.count)
        await echo.stop()
    }

    @Test("3: a reply over 4 MiB becomes RESOURCE_EXHAUSTED")
    func largestReply() async throws {
        let connection = try echo.connect()
        // The value has two tags and lengths before it, 1 + 4 bytes each: its own and that of the
        // message.
        let largest = (4 << 20) - 10
        connection.send(EchoServer.call(stream: 1, "Big", "\(largest)"))
        #expect(EchoServer.value(try connection.receiveFrame())?.count == largest)
        connection.send(EchoServer.call(stream: 3, "Big", "\(largest + 1)"))
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        // A reply that exceeds the arena ends in the same way.
        connection.send(EchoServer.call(stream: 5, "Big", "\(64 << 20)"))
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        try expectLife(connection)
        await echo.stop()
    }

    @Test("4: an even or zero stream id", arguments: [0, 2, 4_294_967_294] as [UInt32])
    func evenStream(_ stream: UInt32) async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: stream, "Echo", "x"))
        let frame = try connection.receiveFrame()
        #expect(frame?.streamID == stream)
        #expect(EchoServer.code(frame) == .invalidArgument)
        try expectLife(connection)
        await echo.stop()
    }

    @Test("5: a stream id reused while its call runs; the first call completes")
    func reusedStream() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Stall", "first"))
        await echo.gate.waiting(1)
        connection.send(EchoServer.call(stream: 1, "Echo", "second"))
        #expect(EchoServer.code(try connection.receiveFrame()) == .invalidArgument)
        echo.gate.open()
        #expect(EchoServer.value(try connection.receiveFrame()) == "first")
        try expectLife(connection, stream: 1)
        #expect(echo.handlersBegun == 2)
        await echo.stop()
    }

    @Test("6: a data frame for an unknown stream")
    func dataForUnknownStream() async throws {
        let connection = try echo.connect()
        connection.send(Wire.frame(stream: 7, kind: 3, Data("x".utf8)))
        let frame = try connection.receiveFrame()
        #expect(frame?.streamID == 7)
        #expect(EchoServer.code(frame) == .invalidArgument)
        try expectLife(connection)
        await echo.stop()
    }

    @Test("7: a data frame on a unary call in flight")
    func dataOnUnaryCall() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Stall", "x"))
        await echo.gate.waiting(1)
        connection.send(Wire.frame(stream: 1, kind: 3, Data("more".utf8)))
        let frame = try connection.receiveFrame()
        #expect(frame?.streamID == 1)
        #expect(EchoServer.code(frame) == .invalidArgument)
        echo.gate.open()
        // The call has been answered: no further reply to it follows.
        try expectLife(connection)
        #expect(echo.handlersCancelled == 1)
        await echo.stop()
    }

    @Test("8: frames of unknown type are ignored", arguments: [0, 2, 4, 255] as [UInt8])
    func unknownType(_ kind: UInt8) async throws {
        let connection = try echo.connect()
        connection.send(Wire.frame(stream: 1, kind: kind, Data("x".utf8)))
        try expectLife(connection, stream: 1)
        await echo.stop()
    }

    @Test("9: every split point, then one byte at a time")
    func splits() async throws {
        let connection = try echo.connect()
        let call = EchoServer.call(stream: 1, "Echo", "split")
        for split in 1..<call.count {
            connection.send(call[..<split])
            connection.send(call[split...])
            #expect(EchoServer.value(try connection.receiveFrame()) == "split")
        }
        for byte in call { connection.send(Data([byte])) }
        #expect(EchoServer.value(try connection.receiveFrame()) == "split")
        await echo.stop()
    }

    @Test("9: truncation, then the end: no reply, and everything is freed")
    func truncation() async throws {
        let call = EchoServer.call(stream: 1, "Echo", "cut")
        for length in 1..<call.count {
            let connection = try echo.connect()
            connection.send(call[..<length])
            connection.endOutput()
            #expect(try connection.isClosedByPeer())
        }
        let server = echo.server
        #expect(await eventually { server.connectionCount == 0 })
        #expect(echo.handlersBegun == 0)
        await echo.stop()
    }

    @Test("12: an undecodable envelope, and an undecodable payload")
    func undecodable() async throws {
        let connection = try echo.connect()
        connection.send(Wire.frame(stream: 1, Data([0xFF, 0xFF, 0xFF])))
        #expect(EchoServer.code(try connection.receiveFrame()) == .invalidArgument)
        connection.send(Wire.frame(stream: 3, Wire.field(1, Data([0xC3, 0x28]))))
        #expect(EchoServer.code(try connection.receiveFrame()) == .invalidArgument)
        connection.send(Wire.call(stream: 5, EchoServer.service, "Echo", Data([0x0A, 0x7F])))
        #expect(EchoServer.code(try connection.receiveFrame()) == .internal)
        try expectLife(connection)
        await echo.stop()
    }

    @Test("14: 4 MiB of two-byte unknown fields stop at the cap of the arena")
    func unknownFields() async throws {
        let connection = try echo.connect()
        let flood = Data((0..<(2 << 20) - 128).flatMap { _ in [0x78, 0x01] as [UInt8] })
        for stream in [1, 3, 5] as [UInt32] {
            connection.send(Wire.call(stream: stream, EchoServer.service, "Echo", flood))
            #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        }
        // Unknown fields of the envelope, outside of the payload, are skipped without taking
        // memory.
        connection.send(Wire.frame(stream: 7, flood))
        #expect(EchoServer.code(try connection.receiveFrame()) == .unimplemented)
        try expectLife(connection)
        await echo.stop()
    }

    @Test func metadata_has_a_limit() async throws {
        let connection = try echo.connect()
        func call(_ stream: UInt32, metadataBytes: Int) -> Data {
            let value = String(repeating: "v", count: metadataBytes - 32 - 6)
            let pair = Wire.field(1, "k") + Wire.field(2, value)
            let request =
                Wire.field(1, EchoServer.service) + Wire.field(2, "Echo")
                + Wire.field(3, EchoServer.payload("alive")) + Wire.field(5, pair)
            return Wire.frame(stream: stream, request)
        }
        let limit = RPCLimits().metadataBytesMax
        connection.send(call(1, metadataBytes: limit))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        connection.send(call(3, metadataBytes: limit + 1))
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        try expectLife(connection)
        await echo.stop()
    }

    @Test func an_unknown_service_or_method_is_unimplemented() async throws {
        let connection = try echo.connect()
        connection.send(Wire.call(stream: 1, "test.Nothing", "Echo", Data()))
        #expect(EchoServer.code(try connection.receiveFrame()) == .unimplemented)
        connection.send(Wire.call(stream: 3, EchoServer.service, "Ech", Data()))
        #expect(EchoServer.code(try connection.receiveFrame()) == .unimplemented)
        connection.send(Wire.call(stream: 5, EchoServer.service, "Echoo", Data()))
        #expect(EchoServer.code(try connection.receiveFrame()) == .unimplemented)
        await echo.stop()
    }

    @Test func violations_and_the_retry_delay_travel_as_details() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Fail"))
        let frame = try #require(try connection.receiveFrame())
        let status = try #require(Wire.fields(frame.data).first { $0.number == 1 })
        let details = Wire.fields(status.content).filter { $0.number == 3 }
            .map { Wire.fields($0.content) }
        #expect(
            details.map { String(decoding: $0[0].content, as: UTF8.self) } == [
                "type.googleapis.com/google.rpc.BadRequest",
                "type.googleapis.com/google.rpc.RetryInfo",
            ]
        )
        let parts = details[0]
        let violation = Wire.fields(Wire.fields(parts[1].content)[0].content)
        #expect(
            violation.map { String(decoding: $0.content, as: UTF8.self) } == ["value", "is wrong"]
        )
        // RetryInfo.retry_delay is field 1: seconds (1) and nanos (2) as varints.
        let retry = Wire.fields(details[1][1].content)[0].content
        #expect(Array(retry) == [0x08, 1, 0x10, 0x80, 0xCA, 0xB5, 0xEE, 0x01])
        await echo.stop()
    }

    @Test func the_call_knows_its_peer_and_its_metadata() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Peer"))
        #expect(
            EchoServer.value(try connection.receiveFrame())
                == "\(getpid()) \(geteuid()) \(getegid())"
        )
        let pair = Wire.field(5, Wire.field(1, "key") + Wire.field(2, "value"))
        let request = Wire.request(EchoServer.service, "Metadata", Data()) + pair + pair
        connection.send(Wire.frame(stream: 3, request))
        #expect(EchoServer.value(try connection.receiveFrame()) == "key=value,key=value")
        await echo.stop()
    }

    @Test func calls_are_answered_in_any_order() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Stall", "slow"))
        connection.send(EchoServer.call(stream: 3, "Echo", "quick"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "quick")
        echo.gate.open()
        #expect(EchoServer.value(try connection.receiveFrame()) == "slow")
        await echo.stop()
    }

    @Test func a_peer_that_only_ends_its_half_still_gets_its_answers() async throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Stall", "late"))
        connection.endOutput()
        await echo.gate.waiting(1)
        echo.gate.open()
        #expect(EchoServer.value(try connection.receiveFrame()) == "late")
        #expect(try connection.isClosedByPeer())
        await echo.stop()
    }
}
