import CallStatus
import Foundation
import TestSupport
import Testing

@testable import RPC

/// Streaming calls by which a client could make a server hold memory, stop or wait.
@Suite("streaming calls: limits and abuse")
struct StreamingLimitTests {
    private let data: UInt8 = 3
    private let remoteClosed: UInt8 = 1
    private let remoteOpen: UInt8 = 2

    private func open(_ connection: RawConnection, _ method: String, stream: UInt32 = 1) {
        let request = Wire.request(EchoServer.service, method, Data())
        connection.send(Wire.frame(stream: stream, flags: remoteOpen, request))
    }

    private func open(_ peer: HTTP2Peer, _ method: String, _ others: [(String, String)] = []) {
        let path = "/\(EchoServer.service)/\(method)"
        peer.send(HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields(path: path, others)))
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
        // The answers to further calls would have arrived before these.
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

    // MARK: - gRPC

    @Test func grpc_refuses_a_message_even_if_the_client_takes_no_data() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path, settings: [(4, 0)])
        open(peer, "Chat")
        let message = HTTP2Peer.message(EchoServer.payload("x"))
        peer.send(HTTP2Peer.data(stream: 1, endsStream: false, message))
        while peer.responses[1] == nil, try peer.receive() != nil {}
        let prefix = Data([0, 0xFF, 0xFF, 0xFF, 0xFF])
        peer.send(HTTP2Peer.data(stream: 1, endsStream: false, prefix))
        let response = try peer.response(1)
        #expect(response.status == 8)
        #expect(response.data.isEmpty)
        #expect(await eventually { echo.handlersCancelled == 1 })
        await echo.stop()
    }

    @Test func grpc_ends_a_call_at_its_deadline_even_if_the_client_takes_no_data() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path, settings: [(4, 0)])
        open(peer, "Flow", [("grpc-timeout", "20m")])
        peer.send(HTTP2Peer.data(stream: 1, HTTP2Peer.message(EchoServer.payload("10"))))
        #expect(try peer.response(1).status == 4)
        await echo.stop()
    }

    @Test func grpc_limits_the_requests_that_wait_also_with_the_last() async throws {
        var limits = RPCLimits()
        limits.requestBytesHeldMax = 10_000
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        open(peer, "Ignore")
        await echo.gate.waiting(1)
        let payload = EchoServer.payload(String(repeating: "x", count: 15_000))
        peer.send(HTTP2Peer.data(stream: 1, HTTP2Peer.message(payload)))
        #expect(try peer.response(1).status == 8)
        await echo.stop()
    }

    @Test("37: a stream that begins during a stop ends with UNAVAILABLE")
    func streamDuringStop() async throws {
        var limits = RPCLimits()
        limits.drainNoticeTimeout = .seconds(60)
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        open(peer, "Chat")
        let message = HTTP2Peer.message(EchoServer.payload("x"))
        peer.send(HTTP2Peer.data(stream: 1, endsStream: false, message))
        while peer.responses[1]?.values != ["x"], try peer.receive() != nil {}
        peer.acknowledges = false
        async let stopped: Void = echo.server.stop(within: .seconds(60))
        var ping: HTTP2Peer.Frame?
        while ping == nil || peer.goAways.isEmpty {
            let frame = try #require(try peer.receive())
            if frame.kind == HTTP2Peer.Kind.ping { ping = frame }
        }
        let path = "/\(EchoServer.service)/Chat"
        peer.send(HTTP2Peer.headers(stream: 3, HTTP2Peer.requestFields(path: path)))
        #expect(try peer.response(3).status == 14)
        let known = try #require(ping).payload
        peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.ping, flags: 1, known))
        try peer.receiveAll()
        await stopped
        #expect(echo.handlersBegun == 1)
    }

    @Test("37: a client whose preface comes during a stop is not served")
    func prefaceDuringStop() async throws {
        let echo = try EchoServer()
        let late = try HTTP2Peer(unopened: echo.path)
        late.send(HTTP2Peer.preface.prefix(16))
        let running = try HTTP2Peer(echo.path)
        running.send(HTTP2Peer.call(stream: 1, "Stall", "running"))
        await echo.gate.waiting(1)
        async let stopped: Void = echo.server.stop(within: .seconds(60))
        while running.goAways.count < 2, try running.receive() != nil {}
        late.send(
            HTTP2Peer.preface.dropFirst(16) + HTTP2Peer.frame(HTTP2Peer.Kind.settings)
                + HTTP2Peer.call(stream: 1, "Stall", "late")
        )
        try late.receiveAll()
        #expect(late.goAways.map(\.code) == [0])
        #expect(late.responses[1]?.resetCode == 7)
        echo.gate.open()
        #expect(try running.response(1).values == ["running"])
        await stopped
        #expect(echo.handlersBegun == 1)
    }
}
