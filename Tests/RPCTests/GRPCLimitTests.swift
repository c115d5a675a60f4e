import CallStatus
import Foundation
import TestSupport
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, "Connections and limits" and "Process", for gRPC with real frames.
@Suite("gRPC: limits and abuse")
struct GRPCLimitTests {
    private let enhanceYourCalm: UInt32 = 11

    /// Expects that a plain call on a new connection succeeds.
    private func expectLife(_ echo: EchoServer) throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Echo", "alive"))
        #expect(try peer.response(1).values == ["alive"])
    }

    /// Sends the bytes, as many as the peer accepts, without reading from it.
    private func flood(_ peer: HTTP2Peer, _ bytes: Data) async {
        await Task.detached { [connection = UncheckedSendable(peer.connection)] in
            _ = connection.value.send(bytes)
        }.value
    }

    @Test("10, 26: a frame that is begun and does not go on is closed by the handshake timeout")
    func unfinishedFrame() async throws {
        var limits = RPCLimits()
        limits.handshakeTimeout = .milliseconds(100)
        let echo = try EchoServer(limits: limits)
        let call = HTTP2Peer.call(stream: 1, "Echo", "x")
        for length in [4, 20, call.count - 1] {
            let peer = try HTTP2Peer(echo.path)
            peer.send(call.prefix(length))
            try peer.receiveAll()
            #expect(peer.responses[1]?.data.isEmpty ?? true)
        }
        // A header that announces a continuation is as unfinished as a frame.
        let peer = try HTTP2Peer(echo.path)
        let block = HTTP2Peer.block(HTTP2Peer.requestFields())
        peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.headers, stream: 1, block))
        try peer.receiveAll()
        await echo.stop()
    }

    @Test("10: settings that are never acknowledged end the connection")
    func settingsTimeout() async throws {
        var limits = RPCLimits()
        limits.handshakeTimeout = .milliseconds(100)
        let echo = try EchoServer(limits: limits)
        let silent = try HTTP2Peer(echo.path)
        silent.acknowledges = false
        let honest = try HTTP2Peer(echo.path)
        honest.send(HTTP2Peer.call(stream: 1, "Echo", "x"))
        #expect(try honest.response(1).values == ["x"])
        try silent.receiveAll()
        #expect(silent.goAways.map(\.code) == [4])
        // A client that has acknowledged the settings may be silent for any time.
        honest.send(HTTP2Peer.call(stream: 3, "Echo", "y"))
        #expect(try honest.response(3).values == ["y"])
        await echo.stop()
    }

    @Test("16, 53: a refused peer is told why and closed")
    func refused() async throws {
        var limits = RPCLimits()
        limits.connectionsMax = 1
        let echo = try EchoServer(limits: limits)
        let served = try HTTP2Peer(echo.path)
        served.send(HTTP2Peer.call(stream: 1, "Echo", "x"))
        #expect(try served.response(1).values == ["x"])
        let refused = try HTTP2Peer(echo.path)
        refused.send(HTTP2Peer.call(stream: 1, "Echo", "x"))
        #expect(try refused.response(1).status == 8)
        try refused.receiveAll()
        #expect(refused.goAways.map(\.code) == [0])
        #expect(echo.server.refusedConnectionCount == 1)
        served.send(HTTP2Peer.call(stream: 3, "Echo", "still"))
        #expect(try served.response(3).values == ["still"])
        await echo.stop()
        let denied = try EchoServer(admission: { _ in CallError(.permissionDenied, "not you") })
        let peer = try HTTP2Peer(denied.path)
        peer.send(HTTP2Peer.call(stream: 1, "Echo", "x"))
        #expect(try peer.response(1).status == 7)
        try peer.receiveAll()
        #expect(denied.handlersBegun == 0)
        await denied.stop()
    }

    @Test("53: a refused peer cannot stay without a call")
    func refusedAndIdle() async throws {
        var limits = RPCLimits()
        limits.handshakeTimeout = .milliseconds(100)
        let echo = try EchoServer(
            limits: limits,
            admission: { _ in CallError(.permissionDenied, "not you") }
        )
        let peer = try HTTP2Peer(echo.path)
        try peer.receiveAll()
        await echo.stop()
    }

    @Test("18: a client that never reads is closed; others are served meanwhile")
    func neverReads() async throws {
        var limits = RPCLimits()
        limits.outputQueueBytesMax = 1 << 20
        limits.outputFullTimeout = .milliseconds(200)
        limits.outputStallTimeout = .milliseconds(200)
        let echo = try EchoServer(limits: limits)
        // The windows are unlimited, so that only the socket limits the server.
        let greedy = try HTTP2Peer(echo.path, settings: [(4, 0x7FFF_FFFF)])
        greedy.send(HTTP2Peer.windowUpdate(stream: 0, 0x7FFF_0000))
        for stream in 0..<20 as Range<UInt32> {
            greedy.send(HTTP2Peer.call(stream: 2 * stream + 1, "Big", "1000000"))
        }
        try expectLife(echo)
        let server = echo.server
        #expect(await eventually { server.connectionCount == 0 })
        await echo.stop()
    }

    @Test("20, 26: zero window: siblings go on, and what stands still is reset at the timeout")
    func zeroWindow() async throws {
        var limits = RPCLimits()
        limits.outputStallTimeout = .milliseconds(200)
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path, settings: [(4, 0)])
        // A stream that waits for its handler is not stalled.
        peer.send(HTTP2Peer.call(stream: 1, "Stall", "slow"))
        peer.send(HTTP2Peer.call(stream: 3, "Echo", "stuck"))
        peer.send(HTTP2Peer.call(stream: 5, "Echo", "free"))
        peer.send(HTTP2Peer.windowUpdate(stream: 5, 1_000))
        #expect(try peer.response(5).values == ["free"])
        let stuck = try peer.response(3)
        #expect(stuck.resetCode == 8)
        #expect(stuck.headers[":status"] == "200")
        #expect(peer.goAways.isEmpty)
        // The connection ends when there is no other stream left.
        echo.gate.open()
        try peer.receiveAll()
        #expect(peer.goAways.map(\.code) == [0])
        try expectLife(echo)
        await echo.stop()
    }

    @Test("20: a client that takes hardly anything of a reply is closed at the timeout")
    func trickle() async throws {
        var limits = RPCLimits()
        limits.outputStallTimeout = .milliseconds(100)
        limits.progressBytesMin = 1 << 20
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path, settings: [(4, 1)])
        peer.send(HTTP2Peer.call(stream: 1, "Big", "3000000"))
        // The peer grants one byte for each byte received, since it acknowledges every frame.
        try peer.receiveAll()
        #expect(peer.goAways.map(\.code) == [0])
        #expect((peer.responses[1]?.data.count ?? 0) > 1)
        await echo.stop()
    }

    @Test("20: large replies that are not taken are not all kept packed, and come in the end")
    func largeReplies() async throws {
        var limits = RPCLimits()
        limits.replyBytesHeldMax = 100_000
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path, settings: [(4, 1)])
        let streams: [UInt32] = [1, 3, 5]
        peer.acknowledges = false
        peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.settings, flags: HTTP2Peer.acknowledgement))
        for stream in streams { peer.send(HTTP2Peer.call(stream: stream, "Big", "60000")) }
        while streams.contains(where: { peer.responses[$0] == nil }), try peer.receive() != nil {}
        // The sent parts of the replies precede the answer to the PING.
        peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.ping, Data(count: 8)))
        while peer.pongs.isEmpty, try peer.receive() != nil {}
        #expect(streams.map { peer.responses[$0]?.data.count } == [1, 0, 0])
        // Small replies do not wait for the large ones.
        peer.send(HTTP2Peer.call(stream: 7, "Echo", "small"))
        peer.send(HTTP2Peer.windowUpdate(stream: 7, 1_000))
        #expect(try peer.response(7).values == ["small"])
        peer.acknowledges = true
        for stream in streams { peer.send(HTTP2Peer.windowUpdate(stream: stream, 100_000)) }
        for stream in streams { #expect(try peer.response(stream).values[0].count == 60_000) }
        await echo.stop()
    }

    @Test("26: a request that stands still is ended at the timeout")
    func unfinishedRequest() async throws {
        var limits = RPCLimits()
        limits.outputStallTimeout = .milliseconds(100)
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields()))
        peer.send(HTTP2Peer.data(stream: 1, endsStream: false, Data([0, 0, 0, 0, 9, 1])))
        try peer.receiveAll()
        #expect(peer.goAways.count == 1)
        await echo.stop()
    }

    @Test("20: a stream whose requests nobody takes does not hold up the others")
    func unconsumedStream() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        peer.send(
            HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields(path: "/test.Echo/Ignore"))
        )
        await echo.gate.waiting(1)
        // The data is as much as the stream's window allows.
        let message = HTTP2Peer.message(EchoServer.payload(String(repeating: "x", count: 15_000)))
        for _ in 0..<4 { peer.send(HTTP2Peer.data(stream: 1, endsStream: false, message)) }
        for stream in 1..<200 as Range<UInt32> {
            peer.send(HTTP2Peer.call(stream: 2 * stream + 1, "Echo", "\(stream)"))
            #expect(try peer.response(2 * stream + 1).values == ["\(stream)"])
        }
        #expect(peer.responses[1] == nil)
        await echo.stop()
    }

    @Test("21: 20,000 streams that are reset at once end with ENHANCE_YOUR_CALM")
    func rapidReset() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 100
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        var attack = Data()
        for index in 0..<20_000 as Range<UInt32> {
            attack += HTTP2Peer.call(stream: 2 * index + 1, "Stall", "x")
            attack += HTTP2Peer.reset(stream: 2 * index + 1)
        }
        await flood(peer, attack)
        try peer.receiveAll()
        #expect(peer.goAways.map(\.code) == [enhanceYourCalm])
        #expect(echo.handlersBegun <= 100)
        try expectLife(echo)
        await echo.stop()
    }

    @Test("21: handlers that go on after their streams' end count, and then streams are refused")
    func runningHandlers() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 8
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        for index in 0..<8 as Range<UInt32> {
            peer.send(HTTP2Peer.call(stream: 2 * index + 1, "Stall", "x"))
        }
        await echo.gate.waiting(8)
        for index in 0..<8 as Range<UInt32> { peer.send(HTTP2Peer.reset(stream: 2 * index + 1)) }
        peer.send(HTTP2Peer.call(stream: 101, "Echo", "x"))
        #expect(try peer.response(101).resetCode == 7)
        echo.gate.open()
        #expect(await eventually { echo.handlersCancelled == 8 })
        peer.send(HTTP2Peer.call(stream: 103, "Echo", "x"))
        #expect(try peer.response(103).values == ["x"])
        await echo.stop()
    }

    @Test func an_honest_client_may_cancel_all_its_calls_again_and_again() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        var stream: UInt32 = 1
        for _ in 0..<2 {
            let streams = (0..<500).map { stream + 2 * UInt32($0) }
            stream += 1_000
            peer.send(streams.reduce(into: Data()) { $0 += HTTP2Peer.call(stream: $1, "Stall") })
            peer.send(streams.reduce(into: Data()) { $0 += HTTP2Peer.reset(stream: $1) })
        }
        echo.gate.open()
        peer.send(HTTP2Peer.call(stream: stream, "Echo", "x"))
        #expect(try peer.response(stream).values == ["x"])
        #expect(peer.goAways.isEmpty)
        await echo.stop()
    }

    @Test("22: resets that the client provokes end the same way")
    func provokedResets() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        var attack = Data()
        for index in 0..<20_000 as Range<UInt32> {
            attack += HTTP2Peer.call(stream: 2 * index + 1, "Stall", "x")
            // A window of more than 31 bits is a stream error.
            attack += HTTP2Peer.windowUpdate(stream: 2 * index + 1, 0x7FFF_FFFF)
        }
        await flood(peer, attack)
        try peer.receiveAll()
        #expect(peer.goAways.map(\.code) == [enhanceYourCalm])
        #expect(echo.handlersBegun <= RPCLimits().callsInFlightPerConnectionMax)
        try expectLife(echo)
        await echo.stop()
    }

    @Test("23: more than 8 CONTINUATION frames", arguments: [8, 9])
    func continuations(_ count: Int) async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        let block = HTTP2Peer.block(HTTP2Peer.requestFields())
        var bytes = HTTP2Peer.frame(HTTP2Peer.Kind.headers, stream: 1, block)
        for index in 1...count {
            let flags: UInt8 = index == count ? HTTP2Peer.endHeaders : 0
            let field = HTTP2Peer.block([("key-\(index)", "value")])
            bytes += HTTP2Peer.frame(HTTP2Peer.Kind.continuation, flags: flags, stream: 1, field)
        }
        bytes += HTTP2Peer.data(stream: 1, HTTP2Peer.message(EchoServer.payload("x")))
        peer.send(bytes)
        if count <= 8 {
            #expect(try peer.response(1).values == ["x"])
        } else {
            try peer.receiveAll()
            #expect(peer.goAways.map(\.code) == [enhanceYourCalm])
            #expect(echo.handlersBegun == 0)
        }
        await echo.stop()
    }

    @Test("23: a header list over 8 KiB is RESOURCE_EXHAUSTED")
    func headerList() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        let size = HTTP2Peer.requestFields().reduce(0) {
            $0 + $1.0.utf8.count + $1.1.utf8.count + 32
        }
        let room = (8 << 10) - size - "key".utf8.count - 32
        let fits = String(repeating: "v", count: room)
        peer.send(HTTP2Peer.call(stream: 1, "Echo", "x", [("key", fits)]))
        #expect(try peer.response(1).status == 0)
        peer.send(HTTP2Peer.call(stream: 3, "Echo", "x", [("key", fits + "v")]))
        let response = try peer.response(3)
        #expect(response.status == 8)
        #expect(response.message?.contains("8192") == true)
        // The rejected header is not kept while the rest of it arrives.
        let many = (0..<300).map { ("key-\($0)", String(repeating: "v", count: 100)) }
        peer.send(HTTP2Peer.call(stream: 5, "Echo", "x", Array(many.prefix(100))))
        #expect(try peer.response(5).status == 8)
        peer.send(HTTP2Peer.call(stream: 7, "Echo", "alive"))
        #expect(try peer.response(7).values == ["alive"])
        await echo.stop()
    }

    @Test(
        "24: floods of frames that ask for work end with ENHANCE_YOUR_CALM",
        arguments: [
            HTTP2Peer.frame(HTTP2Peer.Kind.ping, Data(count: 8)),
            HTTP2Peer.frame(HTTP2Peer.Kind.settings),
            HTTP2Peer.frame(HTTP2Peer.Kind.settings, flags: 1),
            HTTP2Peer.frame(HTTP2Peer.Kind.priority, stream: 1, Data([0, 0, 0, 0, 1])),
            HTTP2Peer.frame(0x42, stream: 1),
            HTTP2Peer.frame(HTTP2Peer.Kind.data, stream: 1),
        ]
    )
    func floods(_ frame: Data) async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields()))
        await flood(peer, (0..<50_000).reduce(into: Data()) { data, _ in data += frame })
        try peer.receiveAll()
        #expect(peer.goAways.map(\.code) == [enhanceYourCalm])
        try expectLife(echo)
        await echo.stop()
    }

    @Test("24: honest keepalive survives, and a ping after every response too")
    func keepalive() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        for index in 0..<3_000 as Range<UInt32> {
            let payload = HTTP2Peer.bytes(index) + HTTP2Peer.bytes(index)
            peer.send(HTTP2Peer.call(stream: 2 * index + 1, "Echo", "x"))
            #expect(try peer.response(2 * index + 1).values == ["x"])
            peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.ping, payload))
            while peer.pongs.last != payload, try peer.receive() != nil {}
        }
        #expect(peer.pongs.count == 3_000)
        #expect(peer.goAways.isEmpty)
        await echo.stop()
    }

    @Test("25: streams over the announced limit are refused")
    func tooManyStreams() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 4
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        peer.acknowledges = false
        for index in 0..<6 as Range<UInt32> {
            peer.send(HTTP2Peer.call(stream: 2 * index + 1, "Stall", "x"))
        }
        #expect(try peer.response(9).resetCode == 7)
        #expect(try peer.response(11).resetCode == 7)
        await echo.gate.waiting(4)
        // After acknowledging the limit, exceeding it is a protocol error.
        peer.send(HTTP2Peer.frame(HTTP2Peer.Kind.settings, flags: HTTP2Peer.acknowledgement))
        peer.send(HTTP2Peer.call(stream: 13, "Stall", "x"))
        try peer.receiveAll()
        #expect(peer.goAways.map(\.code) == [1])
        #expect(echo.handlersBegun == 4)
        echo.gate.open()
        #expect(await eventually { echo.handlersCancelled == 4 })
        await echo.stop()
    }

    @Test("37: a stop tells twice, lets running calls finish, and closes")
    func stop() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Stall", "running"))
        await echo.gate.waiting(1)
        async let stopped: Void = echo.server.stop(within: .seconds(10))
        while peer.goAways.count < 2, try peer.receive() != nil {}
        #expect(peer.goAways.map(\.lastStreamID) == [0x7FFF_FFFF, 1])
        #expect(peer.goAways.map(\.code) == [0, 0])
        // A call that arrives after that is not started.
        peer.send(HTTP2Peer.call(stream: 3, "Echo", "late"))
        echo.gate.open()
        #expect(try peer.response(1).values == ["running"])
        try peer.receiveAll()
        #expect(peer.responses[3] == nil)
        await stopped
        #expect(echo.handlersBegun == 1)
    }

    @Test("37: a client that does not answer the notice is closed all the same")
    func stopWithoutAnswer() async throws {
        var limits = RPCLimits()
        limits.drainNoticeTimeout = .milliseconds(50)
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Echo", "x"))
        #expect(try peer.response(1).values == ["x"])
        peer.acknowledges = false
        async let stopped: Void = echo.server.stop(within: .seconds(10))
        try peer.receiveAll()
        #expect(peer.goAways.map(\.lastStreamID) == [0x7FFF_FFFF, 1])
        await stopped
    }
}
