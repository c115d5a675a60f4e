import CallStatus
import Foundation
import TestSupport
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, "Peers", 82, and "Access", 55: the memory that peers have in the server.
@Suite("the memory of peers")
struct PeerMemoryTests {
    // MARK: - Accounts

    @Test("55, 82: one user has half of the memory, and others the rest")
    func shares() {
        let memory = PeerMemory(bytesMax: 100)
        #expect(!memory.take(51, for: 1))
        #expect(memory.take(50, for: 1))
        #expect(!memory.take(1, for: 1))
        #expect(memory.take(40, for: 2))
        #expect(!memory.take(20, for: 3))
        #expect(!memory.takeAnyway(20, for: 3))
        #expect(memory.bytes == 110)
        memory.give(20, of: 3)
        memory.give(50, of: 1)
        #expect(memory.takeAnyway(50, for: 1))
        memory.give(50, of: 1)
        memory.give(40, of: 2)
        #expect(memory.bytes == 0)
    }

    @Test func small_amounts_are_not_taken_from_the_servers() throws {
        let all = PeerMemory(bytesMax: 1 << 20)
        let memory = ConnectionMemory(all, uid: 1)
        try memory.take(ConnectionMemory.freeBytes)
        #expect(all.bytes == 0)
        try memory.take(1)
        #expect(all.bytes > 0)
        memory.give(1)
        #expect(all.bytes == 0)
        memory.give(ConnectionMemory.freeBytes)
        #expect(memory.bytes == 0)
    }

    @Test func a_refused_amount_is_not_taken() throws {
        let all = PeerMemory(bytesMax: 1 << 20)
        let memory = ConnectionMemory(all, uid: 1)
        try memory.take(200_000)
        let error = #expect(throws: CallError.self) { try memory.take(500_000) }
        #expect(error?.code == .resourceExhausted)
        #expect(memory.bytes == 200_000)
        memory.takeAnyway(500_000)
        #expect(memory.isOver)
        #expect(all.bytes >= 700_000)
        memory.give(500_000)
        #expect(!memory.isOver)
        try memory.checkRoom(for: 100_000)
        #expect(memory.bytes == 200_000)
        memory.give(200_000)
        #expect(all.bytes == 0)
    }

    @Test func an_account_that_ends_gives_everything_back() throws {
        let all = PeerMemory(bytesMax: 1 << 20)
        do { try ConnectionMemory(all, uid: 1).take(100_000) }
        #expect(all.bytes == 0)
    }

    // MARK: - Servers

    /// Makes a server whose peers of one user may have 1 MiB.
    private func makeServer() throws -> EchoServer {
        var limits = RPCLimits()
        limits.peerBytesMax = 2 << 20
        return try EchoServer(limits: limits)
    }

    private func expectLife(_ echo: EchoServer) throws {
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Echo", "alive"))
        #expect(EchoServer.value(try connection.receiveFrame()) == "alive")
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Echo", "alive"))
        #expect(try peer.response(1).values == ["alive"])
    }

    private func expectNothingLeft(_ echo: EchoServer) async throws {
        #expect(await eventually { echo.server.peerBytes == 0 })
        let connection = try echo.connect()
        connection.send(EchoServer.call(stream: 1, "Echo", String(repeating: "x", count: 900_000)))
        #expect(EchoServer.value(try connection.receiveFrame())?.utf8.count == 900_000)
    }

    private static let large = String(repeating: "x", count: 300_000)

    @Test("82: ttrpc: of unfinished frames, those that are too much are given up with an answer")
    func unfinishedFrames() async throws {
        let echo = try makeServer()
        let call = EchoServer.call(stream: 1, "Echo", Self.large)
        do {
            let held = try (0..<3).map { _ in try echo.connect() }
            for connection in held { connection.send(call.dropLast()) }
            #expect(await eventually { echo.server.peerBytes > 900_000 })
            let refused = try echo.connect()
            refused.send(call.dropLast())
            #expect(EchoServer.code(try refused.receiveFrame()) == .resourceExhausted)
            // The connection goes on after the end of the frame.
            refused.send(call.suffix(1) + EchoServer.call(stream: 3, "Echo", "next"))
            #expect(EchoServer.value(try refused.receiveFrame()) == "next")
            try expectLife(echo)
            for connection in held {
                connection.send(call.suffix(1))
                #expect(EchoServer.value(try connection.receiveFrame()) == Self.large)
            }
            for connection in held { connection.send(call.dropLast()) }
            #expect(await eventually { echo.server.peerBytes > 900_000 })
        }
        try await expectNothingLeft(echo)
        await echo.stop()
    }

    @Test("82: ttrpc: a stream's large message for which there is no memory ends its call")
    func unfinishedStreamingFrame() async throws {
        let echo = try makeServer()
        let held = try (0..<3).map { _ in try echo.connect() }
        let call = EchoServer.call(stream: 1, "Echo", Self.large)
        for connection in held { connection.send(call.dropLast()) }
        #expect(await eventually { echo.server.peerBytes > 900_000 })
        let chat = try echo.connect()
        chat.send(Wire.frame(stream: 1, flags: 2, Wire.request(EchoServer.service, "Chat", Data())))
        chat.send(Wire.frame(stream: 1, kind: 3, EchoServer.payload(Self.large)))
        #expect(EchoServer.code(try chat.receiveFrame()) == .resourceExhausted)
        chat.send(EchoServer.call(stream: 3, "Echo", "next"))
        #expect(EchoServer.value(try chat.receiveFrame()) == "next")
        await echo.stop()
    }

    @Test("82: gRPC: of unfinished messages, those that are too much end their calls")
    func unfinishedMessages() async throws {
        let echo = try makeServer()
        let message = HTTP2Peer.message(EchoServer.payload(Self.large))
        do {
            let peers = try (0..<4).map { _ in try HTTP2Peer(echo.path) }
            for peer in peers {
                peer.send(HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields()))
            }
            // The client's windows follow what the server takes.
            for peer in peers[..<3] {
                try peer.sendWithinWindows(stream: 1, message.dropLast(), endsStream: false)
            }
            #expect(await eventually { echo.server.peerBytes > 900_000 })
            try peers[3].sendWithinWindows(stream: 1, message.dropLast(), endsStream: false)
            #expect(try peers[3].response(1).status == 8)
            peers[3].send(HTTP2Peer.call(stream: 3, "Echo", "next"))
            #expect(try peers[3].response(3).values == ["next"])
            try expectLife(echo)
            try peers[0].sendWithinWindows(stream: 1, message.suffix(1))
            #expect(try peers[0].response(1).values == [Self.large])
        }
        try await expectNothingLeft(echo)
        await echo.stop()
    }

    @Test("82: requests that are worked on count, even when nobody waits for them any more")
    func requestsUnderWay() async throws {
        let echo = try makeServer()
        let call = EchoServer.call(stream: 1, "Stall", Self.large)
        let peer = try HTTP2Peer(echo.path)
        let connection = try echo.connect()
        do {
            let gone = try (0..<2).map { _ in try echo.connect() }
            for connection in gone { connection.send(call) }
            peer.send(
                HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields(path: "/test.Echo/Stall"))
            )
            try peer.sendWithinWindows(
                stream: 1,
                HTTP2Peer.message(EchoServer.payload(Self.large))
            )
            await echo.gate.waiting(3)
        }
        #expect(await eventually { echo.server.connectionCount == 2 })
        connection.send(call)
        #expect(EchoServer.code(try connection.receiveFrame()) == .resourceExhausted)
        try expectLife(echo)
        #expect(echo.server.peerBytes > 900_000)
        echo.gate.open()
        #expect(try peer.response(1).values == [Self.large])
        try await expectNothingLeft(echo)
        await echo.stop()
    }

    @Test("82: ttrpc: a reader that is slow gets no more replies of reads than there is memory for")
    func slowReader() async throws {
        let echo = try makeServer()
        let server = echo.server
        do {
            let slow = try echo.connect()
            for stream in 0..<40 as Range<UInt32> {
                slow.send(EchoServer.call(stream: 2 * stream + 1, "Read", "300000"))
            }
            await echo.gate.waiting(40)
            echo.gate.open()
            #expect(await eventually { server.peerBytes > 800_000 })
            var codes: [CallError.Code?] = []
            var lengths = 0
            for _ in 0..<40 {
                let frame = try slow.receiveFrame()
                codes.append(EchoServer.code(frame))
                lengths += EchoServer.value(frame)?.utf8.count ?? 0
            }
            #expect(codes.contains(.resourceExhausted))
            #expect(codes.allSatisfy { $0 == nil || $0 == .resourceExhausted })
            #expect(lengths == codes.count { $0 == nil } * 300_000)
            #expect(lengths > 0)
            slow.send(EchoServer.call(stream: 1, "Read", "300000"))
            #expect(EchoServer.value(try slow.receiveFrame())?.utf8.count == 300_000)
        }
        #expect(await eventually { server.connectionCount == 0 })
        try await expectNothingLeft(echo)
        await echo.stop()
    }

    @Test("82: gRPC: replies behind closed windows count, and those of reads are refused")
    func closedWindows() async throws {
        let echo = try makeServer()
        do {
            let peer = try HTTP2Peer(echo.path, settings: [(4, 0)])
            for stream in 0..<10 as Range<UInt32> {
                peer.send(HTTP2Peer.call(stream: 2 * stream + 1, "Read", "300000"))
            }
            await echo.gate.waiting(10)
            echo.gate.open()
            #expect(await eventually { echo.server.peerBytes > 800_000 })
            for stream in 0..<10 as Range<UInt32> {
                peer.send(HTTP2Peer.windowUpdate(stream: 2 * stream + 1, 1 << 20))
            }
            let responses = try (0..<10 as Range<UInt32>).map { try peer.response(2 * $0 + 1) }
            let answered = responses.count { $0.status == 0 && $0.values.first?.count == 300_000 }
            let refused = responses.count { $0.status == 8 }
            #expect(answered > 0)
            #expect(refused > 0)
            #expect(answered + refused == 10)
        }
        try await expectNothingLeft(echo)
        await echo.stop()
    }

    @Test("82: the reply of a call that may have changed something is never refused")
    func repliesOfWrites() async throws {
        let echo = try makeServer()
        let connection = try echo.connect()
        let peer = try HTTP2Peer(echo.path)
        for stream in 0..<20 as Range<UInt32> {
            connection.send(EchoServer.call(stream: 2 * stream + 1, "StalledBig", "300000"))
            peer.send(HTTP2Peer.call(stream: 2 * stream + 1, "StalledBig", "300000"))
        }
        await echo.gate.waiting(40)
        echo.gate.open()
        for stream in 0..<20 as Range<UInt32> {
            let frame = try connection.receiveFrame()
            #expect(EchoServer.value(frame)?.utf8.count == 300_000)
            #expect(try peer.response(2 * stream + 1).values.first?.count == 300_000)
        }
        #expect(await eventually { echo.server.peerBytes == 0 })
        await echo.stop()
    }

    @Test("82: streams that are reset in the middle of a reply leave nothing behind")
    func resets() async throws {
        let echo = try makeServer()
        let peer = try HTTP2Peer(echo.path)
        echo.gate.open()
        for stream in 0..<20 as Range<UInt32> {
            let id = 2 * stream + 1
            peer.send(HTTP2Peer.call(stream: id, "Read", "300000"))
            while peer.responses[id]?.data.isEmpty ?? true { try peer.receive() }
            peer.send(HTTP2Peer.reset(stream: id))
        }
        #expect(await eventually { echo.server.peerBytes == 0 })
        peer.send(HTTP2Peer.call(stream: 41, "Read", "300000"))
        #expect(try peer.response(41).values.first?.count == 300_000)
        await echo.stop()
    }
}
