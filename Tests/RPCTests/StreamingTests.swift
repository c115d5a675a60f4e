import CallStatus
import Foundation
import TestSupport
import Testing

@testable import RPC

@Suite("streaming calls on both protocols")
struct StreamingTests {
    private let echo: EchoServer
    private let data: UInt8 = 3
    private let remoteClosed: UInt8 = 1
    private let remoteOpen: UInt8 = 2
    private let noData: UInt8 = 4

    init() throws { echo = try EchoServer() }

    private func value(_ message: Data) -> String {
        String(
            decoding: Wire.fields(message).first { $0.number == 2 }?.content ?? Data(),
            as: UTF8.self
        )
    }

    /// Returns a ttrpc request of a streaming method.
    private func request(
        stream: UInt32 = 1,
        _ method: String,
        flags: UInt8,
        _ payload: Data = Data()
    ) -> Data {
        Wire.frame(stream: stream, flags: flags, Wire.request(EchoServer.service, method, payload))
    }

    private func open(_ peer: HTTP2Peer, _ method: String, stream: UInt32 = 1) {
        let fields = HTTP2Peer.requestFields(path: "/\(EchoServer.service)/\(method)")
        peer.send(HTTP2Peer.headers(stream: stream, fields))
    }

    private func say(_ peer: HTTP2Peer, _ value: String, stream: UInt32 = 1) {
        let message = HTTP2Peer.message(EchoServer.payload(value))
        peer.send(HTTP2Peer.data(stream: stream, endsStream: false, message))
    }

    // MARK: - ttrpc

    @Test func ttrpc_sends_data_frames_and_ends_with_an_empty_one() async throws {
        let connection = try echo.connect()
        connection.send(request("Count", flags: remoteClosed, EchoServer.payload("3")))
        for number in 0..<3 {
            let frame = try #require(try connection.receiveFrame())
            #expect(frame.kind == data && frame.flags == 0)
            #expect(value(frame.data) == "\(number)")
        }
        let end = try #require(try connection.receiveFrame())
        #expect(end.kind == data && end.data.isEmpty)
        #expect(end.flags == remoteClosed | noData)
        await echo.stop()
    }

    @Test func ttrpc_ends_a_failed_stream_with_a_response_frame() async throws {
        let connection = try echo.connect()
        connection.send(request("Count", flags: remoteClosed, EchoServer.payload("0")))
        #expect(EchoServer.code(try connection.receiveFrame()) == .outOfRange)
        await echo.stop()
    }

    @Test func ttrpc_takes_data_frames_both_ways() async throws {
        let connection = try echo.connect()
        connection.send(request("Chat", flags: remoteOpen))
        for word in ["one", "two", "three"] {
            connection.send(Wire.frame(stream: 1, kind: data, EchoServer.payload(word)))
            #expect(value(try #require(try connection.receiveFrame()).data) == word)
        }
        connection.send(Wire.frame(stream: 1, kind: data, flags: remoteClosed | noData, Data()))
        #expect(try connection.receiveFrame()?.flags == remoteClosed | noData)
        connection.send(Wire.frame(stream: 1, kind: data, EchoServer.payload("late")))
        #expect(EchoServer.code(try connection.receiveFrame()) == .invalidArgument)
        await echo.stop()
    }

    @Test func ttrpc_refuses_data_after_the_end_of_the_requests() async throws {
        let connection = try echo.connect()
        connection.send(request("Ignore", flags: remoteClosed, EchoServer.payload("x")))
        await echo.gate.waiting(1)
        connection.send(Wire.frame(stream: 1, kind: data, EchoServer.payload("more")))
        #expect(EchoServer.code(try connection.receiveFrame()) == .invalidArgument)
        await echo.stop()
        #expect(echo.handlersCancelled == 1)
    }

    @Test func ttrpc_clients_that_cannot_stream_are_told_so() async throws {
        let connection = try echo.connect()
        connection.send(request("Count", flags: 0, EchoServer.payload("3")))
        #expect(EchoServer.code(try connection.receiveFrame()) == .unimplemented)
        await echo.stop()
    }

    @Test func ttrpc_limits_the_requests_that_wait() async throws {
        var limits = RPCLimits()
        limits.requestBytesHeldMax = 1 << 20
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        connection.send(request("Ignore", flags: remoteOpen))
        await echo.gate.waiting(1)
        let message = EchoServer.payload(String(repeating: "x", count: 100_000))
        for _ in 0..<11 { connection.send(Wire.frame(stream: 1, kind: data, message)) }
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        connection.send(EchoServer.call(stream: 3, "Echo", "alive"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        await echo.stop()
    }

    @Test func ttrpc_holds_a_sender_back_until_its_peer_reads() async throws {
        var limits = RPCLimits()
        limits.outputQueueBytesMax = 1 << 20
        limits.outputFullTimeout = .seconds(60)
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        connection.send(request("Flow", flags: remoteClosed, EchoServer.payload("100000")))
        // The responses are in the queue and the socket's buffers, and one is held back.
        let other = try echo.connect()
        for _ in 0..<200 {
            other.send(EchoServer.call(stream: 1, "Echo", "x"))
            _ = try other.receiveFrame()
        }
        let sent = echo.flowsSent
        #expect(sent < 60)
        for _ in 0..<200 { #expect(try connection.receiveFrame()?.data.count ?? 0 > 100_000) }
        #expect(await eventually { echo.flowsSent > sent })
        await echo.stop()
    }

    @Test func ttrpc_gives_a_slow_reader_of_a_stream_more_time_than_one_of_replies() async throws {
        var limits = RPCLimits()
        limits.outputFullTimeout = .zero
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        connection.send(request("Flow", flags: remoteClosed, EchoServer.payload("100000")))
        let other = try echo.connect()
        for _ in 0..<200 {
            other.send(EchoServer.call(stream: 1, "Echo", "x"))
            #expect(EchoServer.value(try other.receiveFrame()) == "x")
        }
        // The socket's buffer, the output and one response that waits.
        #expect(echo.flowsSent < 20)
        for _ in 0..<200 { #expect(try connection.receiveFrame()?.data.count ?? 0 > 100_000) }
        await echo.stop()
    }

    @Test func ttrpc_answers_others_beside_streams_that_are_read_at_once() async throws {
        let echo = try EchoServer()
        // There are streams on every loop; they are read until the server stops.
        for _ in 0..<4 {
            let connection = try echo.connect()
            connection.send(request("Flow", flags: remoteClosed, EchoServer.payload("10")))
            let reader = Reader(connection: connection)
            Thread.detachNewThread { reader.readAll() }
        }
        for _ in 0..<8 {
            let connection = try echo.connect()
            for _ in 0..<50 {
                connection.send(EchoServer.call(stream: 1, "Echo", "x"))
                #expect(EchoServer.value(try connection.receiveFrame()) == "x")
            }
        }
        await echo.stop()
    }

    /// Reads everything that a server sends, on a thread of its own.
    private final class Reader: @unchecked Sendable {
        // Unchecked: the connection is used by the one thread that calls `readAll`.
        private let connection: RawConnection

        init(connection: RawConnection) { self.connection = connection }

        func readAll() { while let bytes = try? connection.receive(4_096), !bytes.isEmpty {} }
    }

    // MARK: - gRPC

    @Test func grpc_sends_messages_and_then_trailers() async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Count", "3"))
        let response = try peer.response(1)
        #expect(response.values == ["0", "1", "2"])
        #expect(response.status == 0)
        peer.send(HTTP2Peer.call(stream: 3, "Count", "0"))
        #expect(try peer.response(3).status == 11)
        await echo.stop()
    }

    @Test func grpc_takes_messages_both_ways() async throws {
        let peer = try HTTP2Peer(echo.path)
        open(peer, "Chat")
        for word in ["one", "two", "three"] {
            say(peer, word)
            while peer.responses[1]?.values.last != word, try peer.receive() != nil {}
        }
        peer.send(HTTP2Peer.data(stream: 1, Data()))
        let response = try peer.response(1)
        #expect(response.values == ["one", "two", "three"])
        #expect(response.status == 0)
        await echo.stop()
    }

    @Test("11: a method that takes one message refuses none and two")
    func oneRequest() async throws {
        let peer = try HTTP2Peer(echo.path)
        open(peer, "Count")
        peer.send(HTTP2Peer.data(stream: 1, Data()))
        #expect(try peer.response(1).status == 12)
        open(peer, "Count", stream: 3)
        say(peer, "1", stream: 3)
        say(peer, "1", stream: 3)
        #expect(try peer.response(3).status == 12)
        await echo.stop()
    }

    @Test("18: a sender waits for the window, and goes on with it")
    func window() async throws {
        let peer = try HTTP2Peer(echo.path, settings: [(4, 50_000)])
        peer.acknowledges = false
        peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.settings, flags: 1))
        peer.send(HTTP2Peer.call(stream: 1, "Flow", "20000"))
        while (peer.responses[1]?.data.count ?? 0) < 50_000, try peer.receive() != nil {}
        #expect(echo.flowsSent == 2)
        peer.send(HTTP2Peer.windowUpdate(stream: 1, 10_027))
        while (peer.responses[1]?.data.count ?? 0) < 60_027, try peer.receive() != nil {}
        #expect(await eventually { echo.flowsSent == 3 })
        peer.send(HTTP2Peer.reset(stream: 1))
        #expect(await eventually { echo.handlersCancelled == 1 })
        await echo.stop()
    }

    @Test func a_client_that_goes_ends_its_streams() async throws {
        do {
            let peer = try HTTP2Peer(echo.path)
            open(peer, "Chat")
            say(peer, "x")
            while peer.responses[1]?.values != ["x"], try peer.receive() != nil {}
            let connection = try echo.connect()
            connection.send(request("Chat", flags: remoteOpen, EchoServer.payload("y")))
            #expect(value(try #require(try connection.receiveFrame()).data) == "y")
        }
        #expect(await eventually { echo.handlersCancelled == 2 })
        await echo.stop()
    }

    @Test("37: a stop ends streams, which may have no end, with UNAVAILABLE")
    func stop() async throws {
        let peer = try HTTP2Peer(echo.path)
        open(peer, "Chat")
        say(peer, "x")
        while peer.responses[1]?.values != ["x"], try peer.receive() != nil {}
        let connection = try echo.connect()
        connection.send(request("Chat", flags: remoteOpen, EchoServer.payload("y")))
        #expect(value(try #require(try connection.receiveFrame()).data) == "y")
        async let stopped: Void = echo.server.stop(within: .seconds(10))
        #expect(EchoServer.code(try connection.receiveFrame()) == .unavailable)
        #expect(try peer.response(1).status == 14)
        try peer.receiveAll()
        await stopped
    }
}
