import Foundation
import TestSupport
import Testing

@testable import RPC

/// What a client can do with streaming calls to have a server hold memory, stop or wait.
@Suite("streaming calls: limits and abuse")
struct StreamingLimitTests {
    private let data: UInt8 = 3
    private let remoteClosed: UInt8 = 1
    private let remoteOpen: UInt8 = 2

    private func open(_ connection: RawConnection, _ method: String, stream: UInt32 = 1) {
        let request = Wire.request(EchoServer.service, method, Data())
        connection.send(Wire.frame(stream: stream, flags: remoteOpen, request))
    }

    // MARK: - ttrpc

    @Test func ttrpc_streams_go_on_when_they_are_as_many_as_allowed() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 4
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        for index in 0..<4 as Range<UInt32> { open(connection, "Chat", stream: 2 * index + 1) }
        connection.send(EchoServer.call(stream: 9, "Echo", "x"))
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        for stream in [1, 3, 5, 7] as [UInt32] {
            let frame = Wire.frame(
                stream: stream,
                kind: data,
                flags: remoteClosed,
                EchoServer.payload("\(stream)")
            )
            connection.send(frame)
            #expect(try connection.receiveFrame()?.data == EchoServer.payload("\(stream)"))
            #expect(try connection.receiveFrame()?.flags == remoteClosed | 4)
        }
        connection.send(EchoServer.call(stream: 9, "Echo", "alive"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        await echo.stop()
    }

    @Test func ttrpc_cancels_a_stream_whose_client_can_send_no_more() async throws {
        let echo = try EchoServer()
        let connection = try echo.connect()
        open(connection, "Chat")
        connection.send(Wire.frame(stream: 1, kind: data, EchoServer.payload("x")))
        #expect(try connection.receiveFrame()?.data == EchoServer.payload("x"))
        connection.send(EchoServer.call(stream: 3, "Stall", "unary"))
        await echo.gate.waiting(1)
        connection.endOutput()
        #expect(EchoServer.code(try connection.receiveFrame()) == .cancelled)
        echo.gate.open()
        #expect(EchoServer.value(try connection.receiveFrame()) == "unary")
        #expect(try connection.isClosedByPeer())
        await echo.stop()
    }

    @Test func ttrpc_counts_handlers_that_go_on_after_their_calls() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 8
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        let calls = (0..<100 as Range<UInt32>).reduce(into: Data()) { data, index in
            data += EchoServer.call(
                stream: 2 * index + 1,
                "Stall",
                timeoutNanoseconds: 1_000_000
            )
        }
        connection.send(calls)
        for _ in 0..<8 {
            #expect(EchoServer.code(try connection.receiveFrame()) == .deadlineExceeded)
        }
        // The answers of the next would have come before these.
        let other = try echo.connect()
        for _ in 0..<200 {
            other.send(EchoServer.call(stream: 1, "Echo", "x"))
            #expect(EchoServer.value(try other.receiveFrame()) == "x")
        }
        #expect(echo.handlersBegun == 208)
        echo.gate.open()
        for _ in 0..<92 { #expect(try connection.receiveFrame() != nil) }
        await echo.stop()
    }
}
