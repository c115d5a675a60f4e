import CallStatus
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, "Connections and limits", "Process" and "Access", as far as RPC decides
/// them.
@Suite("connections and limits")
struct ConnectionLimitTests {
    @Test(
        "10: what is neither ttrpc nor HTTP/2 is closed",
        arguments: [
            Data("GET / HTTP/1.1\r\n\r\n".utf8), Data([0x16, 0x03, 0x01, 0x02, 0x00]),
            Data("PRI * HTTP/1.1\r\n".utf8), Data("POST / HTTP/1.1\r\n".utf8), Data("x".utf8),
        ]
    )
    func otherProtocols(_ beginning: Data) async throws {
        let echo = try EchoServer()
        let connection = try echo.connect()
        connection.send(beginning)
        #expect(try connection.isClosedByPeer())
        await echo.stop()
    }

    @Test("10: silence, and half a header, are closed by the handshake timeout")
    func silence() async throws {
        var limits = RPCLimits()
        limits.handshakeTimeout = .milliseconds(100)
        let echo = try EchoServer(limits: limits)
        let silent = try echo.connect()
        let half = try echo.connect()
        half.send(Data([0, 0, 0]))
        let halfPreface = try echo.connect()
        halfPreface.send(HTTP2Peer.preface.prefix(16))
        let onlyPreface = try echo.connect()
        onlyPreface.send(HTTP2Peer.preface)
        let begun = try echo.connect()
        begun.send(EchoServer.call(stream: 1, "Echo", "x"))
        #expect(EchoServer.value(try begun.receiveFrame()) == "x")
        #expect(try silent.isClosedByPeer())
        #expect(try half.isClosedByPeer())
        #expect(try halfPreface.isClosedByPeer())
        #expect(try onlyPreface.receive(1) != nil, "the server's settings")
        while try onlyPreface.receive(1) != nil {}
        // A client that has made a call may be silent for any time.
        begun.send(EchoServer.call(stream: 3, "Echo", "y"))
        #expect(EchoServer.value(try begun.receiveFrame()) == "y")
        await echo.stop()
    }

    @Test("16: one connection more than the limit is told so, counted, and closed")
    func tooManyConnections() async throws {
        var limits = RPCLimits()
        limits.connectionsMax = 2
        limits.refusalsMax = 1
        let echo = try EchoServer(limits: limits)
        let served = [try echo.connect(), try echo.connect()]
        for connection in served {
            connection.send(EchoServer.call(stream: 1, "Echo", "x"))
            #expect(EchoServer.value(try connection.receiveFrame()) == "x")
        }
        let idle = try echo.connect()
        let server = echo.server
        #expect(await eventually { server.refusedConnectionCount == 1 })
        // Of those that wait for their refusal, the last is kept.
        let refused = try echo.connect()
        #expect(try idle.isClosedByPeer())
        refused.send(EchoServer.call(stream: 1, "Echo", "x"))
        #expect(EchoServer.code(try refused.receiveFrame()) == .resourceExhausted)
        #expect(try refused.isClosedByPeer())
        #expect(server.refusedConnectionCount == 2)
        for connection in served {
            connection.send(EchoServer.call(stream: 3, "Echo", "still"))
            #expect(EchoServer.value(try connection.receiveFrame()) == "still")
        }
        await echo.stop()
    }

    @Test("18, 19: a client that never reads is closed; others are served meanwhile")
    func neverReads() async throws {
        var limits = RPCLimits()
        limits.outputQueueBytesMax = 1 << 20
        limits.outputQueueBytesPause = 1 << 18
        limits.outputStallTimeout = .milliseconds(300)
        let echo = try EchoServer(limits: limits)
        let greedy = try echo.connect()
        let other = try echo.connect()
        let call = EchoServer.call(stream: 1, "Big", "10000")
        // The replies are more than the socket's buffers and the output queue together can hold.
        var isClosed = false
        for round in 0..<100_000 where !isClosed {
            switch greedy.sendWithoutWaiting(call) {
            case nil: isClosed = true
            case 0:
                isClosed = await eventually(within: .milliseconds(50)) {
                    greedy.sendWithoutWaiting(call) == nil
                }
            default: break
            }
            if round.isMultiple(of: 100) {
                other.send(EchoServer.call(stream: 1, "Echo", "x"))
                #expect(EchoServer.value(try other.receiveFrame()) == "x")
            }
        }
        #expect(isClosed)
        let server = echo.server
        #expect(await eventually { server.connectionCount == 1 })
        await echo.stop()
    }

    @Test("18: replies that finish together wait for a client that reads")
    func repliesWait() async throws {
        var limits = RPCLimits()
        limits.outputQueueBytesMax = 1 << 20
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        for stream in 0..<20 as Range<UInt32> {
            connection.send(EchoServer.call(stream: 2 * stream + 1, "StalledBig", "900000"))
        }
        await echo.gate.waiting(20)
        echo.gate.open()
        var streams: Set<UInt32> = []
        for _ in 0..<20 {
            let frame = try connection.receiveFrame()
            #expect(EchoServer.value(frame)?.utf8.count == 900_000)
            streams.insert(frame?.streamID ?? 0)
        }
        #expect(streams.count == 20)
        connection.send(EchoServer.call(stream: 1, "Echo", "alive"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        await echo.stop()
    }

    @Test("18: a client that leaves a full output queue unread is closed")
    func outputQueueStaysFull() async throws {
        var limits = RPCLimits()
        limits.outputQueueBytesMax = 1 << 20
        limits.outputFullTimeout = .milliseconds(100)
        let echo = try EchoServer(limits: limits)
        let greedy = try echo.connect()
        greedy.send(EchoServer.call(stream: 1, "Stall", "x"))
        for stream in 1..<20 as Range<UInt32> {
            greedy.send(EchoServer.call(stream: 2 * stream + 1, "StalledBig", "900000"))
        }
        await echo.gate.waiting(20)
        echo.gate.open()
        let server = echo.server
        #expect(await eventually { server.connectionCount == 0 })
        await echo.stop()
    }

    @Test("9: a frame that is begun and does not go on is closed by the handshake timeout")
    func unfinishedFrame() async throws {
        var limits = RPCLimits()
        limits.handshakeTimeout = .milliseconds(100)
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        let call = EchoServer.call(stream: 1, "Echo", "x")
        connection.send(call)
        #expect(EchoServer.value(try connection.receiveFrame()) == "x")
        connection.send(call.dropLast())
        #expect(try connection.isClosedByPeer())
        await echo.stop()
    }

    @Test("19: calls above the cap wait in the socket and are answered in the end")
    func callsInFlight() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 8
        let echo = try EchoServer(limits: limits)
        let connection = try echo.connect()
        let calls = (0..<100).reduce(into: Data()) { data, index in
            data += EchoServer.call(stream: UInt32(2 * index + 1), "Stall", "\(index)")
        }
        connection.send(calls)
        await echo.gate.waiting(8)
        let health = try echo.connect()
        health.send(Wire.call(stream: 1, HealthService.name, "Check", Data()))
        #expect(try health.receiveFrame() != nil)
        #expect(echo.handlersBegun == 8)
        echo.gate.open()
        var answers: Set<String> = []
        for _ in 0..<100 { answers.insert(EchoServer.value(try connection.receiveFrame()) ?? "") }
        #expect(answers == Set((0..<100).map(String.init)))
        await echo.stop()
    }

    @Test("27: a call that stalls ends at its deadline")
    func deadline() async throws {
        let echo = try EchoServer()
        let connection = try echo.connect()
        connection.send(
            EchoServer.call(stream: 1, "Stall", "x", timeoutNanoseconds: 1_000_000)
        )
        #expect(EchoServer.code(try connection.receiveFrame()) == .deadlineExceeded)
        connection.send(EchoServer.call(stream: 3, "Echo", "x", timeoutNanoseconds: -5))
        #expect(EchoServer.code(try connection.receiveFrame()) == .deadlineExceeded)
        // The calls have deadlines in descending order.
        for index in 0..<50 as Range<UInt32> {
            let timeout = Int64(60 - index) * 1_000_000
            connection.send(
                EchoServer.call(
                    stream: 2 * index + 5,
                    "Stall",
                    "x",
                    timeoutNanoseconds: timeout
                )
            )
        }
        for _ in 0..<50 {
            #expect(EchoServer.code(try connection.receiveFrame()) == .deadlineExceeded)
        }
        echo.gate.open()
        connection.send(EchoServer.call(stream: 1, "Echo", "alive"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        await echo.stop()
    }

    @Test func calls_are_cancelled_when_the_peer_goes() async throws {
        let echo = try EchoServer()
        do {
            let connection = try echo.connect()
            connection.send(EchoServer.call(stream: 1, "Stall", "x"))
            await echo.gate.waiting(1)
        }
        let server = echo.server
        #expect(await eventually { server.connectionCount == 0 })
        echo.gate.open()
        #expect(await eventually { echo.handlersCancelled == 1 })
        await echo.stop()
    }

    @Test("39: answers to a peer that is gone do not end the process")
    func deadPeer() async throws {
        let echo = try EchoServer()
        for _ in 0..<200 {
            let connection = try echo.connect()
            connection.send(EchoServer.call(stream: 1, "Big", "100000"))
        }
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Echo", "alive"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        let server = echo.server
        #expect(await eventually { server.connectionCount == 1 })
        await echo.stop()
    }

    @Test("53: a refused peer gets PERMISSION_DENIED and is closed")
    func refusedPeer() async throws {
        let echo = try EchoServer(admission: { _ in CallError(.permissionDenied, "not you") })
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Echo", "x"))
        #expect(EchoServer.code(try connection.receiveFrame()) == .permissionDenied)
        #expect(try connection.isClosedByPeer())
        #expect(echo.handlersBegun == 0)
        await echo.stop()
    }

    @Test("53: a refused peer cannot stay by sending something else", arguments: [3, 9] as [UInt8])
    func refusedPeerWithOtherFrames(_ kind: UInt8) async throws {
        let echo = try EchoServer(admission: { _ in CallError(.permissionDenied, "not you") })
        let connection = try echo.connect()
        connection.send(Wire.frame(stream: 1, kind: kind, Data("x".utf8)))
        #expect(EchoServer.code(try connection.receiveFrame()) == .permissionDenied)
        #expect(try connection.isClosedByPeer())
        let large = try echo.connect()
        large.send(Wire.frame(stream: 1, length: 5 << 20, Data()))
        #expect(EchoServer.code(try large.receiveFrame()) == .permissionDenied)
        #expect(try large.isClosedByPeer())
        await echo.stop()
    }

    @Test("16, 53: refused connections take no place from those that are served")
    func refusedPlaces() async throws {
        var limits = RPCLimits()
        limits.connectionsMax = 1
        let admits = Toggle()
        let echo = try EchoServer(
            limits: limits,
            admission: { _ in admits.isOn ? nil : CallError(.permissionDenied, "not you") }
        )
        let refused = try (0..<5).map { _ in try echo.connect() }
        let server = echo.server
        #expect(await eventually { server.connectionCount == 5 })
        admits.turnOn()
        let served = try echo.connect()
        served.send(EchoServer.call(stream: 1, "Echo", "x"))
        #expect(EchoServer.value(try served.receiveFrame()) == "x")
        #expect(refused.count == 5)
        await echo.stop()
    }

    @Test func a_peer_that_goes_is_noticed_while_no_further_calls_are_read() async throws {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 1
        let echo = try EchoServer(limits: limits)
        let server = echo.server
        do {
            let connection = try echo.connect()
            let calls = [1, 3, 5].map { EchoServer.call(stream: $0, "Stall", "x") }
            connection.send(calls.reduce(Data(), +))
            await echo.gate.waiting(1)
            #expect(server.connectionCount == 1)
        }
        #expect(await eventually { server.connectionCount == 0 })
        echo.gate.open()
        await echo.stop()
    }

    @Test("37: a stop lets running calls finish and refuses new ones")
    func stop() async throws {
        let echo = try EchoServer()
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Stall", "running"))
        await echo.gate.waiting(1)
        async let stopped: Void = echo.server.stop(within: .seconds(10))
        let path = echo.path
        #expect(await eventually { !FileManager.default.fileExists(atPath: path) })
        // The socket is closed first, then the connections are informed.
        #expect(
            await eventually {
                connection.send(EchoServer.call(stream: 3, "Echo", "late"))
                return EchoServer.code(try? connection.receiveFrame()) == .unavailable
            }
        )
        echo.gate.open()
        #expect(EchoServer.value(try connection.receiveFrame()) == "running")
        #expect(try connection.isClosedByPeer())
        await stopped
    }

    @Test func a_stop_does_not_wait_longer_than_the_grace_time() async throws {
        let echo = try EchoServer()
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Stall", "stuck"))
        await echo.gate.waiting(1)
        await echo.server.stop(within: .milliseconds(50))
        #expect(echo.server.connectionCount == 0)
        echo.gate.open()
    }
}

/// A switch that is off until it is turned on.
private final class Toggle: Sendable {
    private let state = Mutex(false)

    var isOn: Bool { state.withLock { $0 } }

    func turnOn() { state.withLock { $0 = true } }
}
