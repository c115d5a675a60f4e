import CZlib
import Foundation
import TestSupport
import Testing

@testable import RPC

/// The gRPC protocol and `docs/RELIABILITY.md`, "Framing and bad input", on real sockets with
/// hand-made frames.
@Suite("gRPC server: calls and bad input")
struct GRPCServerTests {
    private let echo: EchoServer

    init() throws { echo = try EchoServer() }

    /// Expects that a plain call on the connection succeeds.
    private func expectLife(_ peer: HTTP2Peer, stream: UInt32 = 901) throws {
        peer.send(HTTP2Peer.call(stream: stream, "Echo", "alive"))
        let response = try peer.response(stream)
        #expect(response.values == ["alive"])
        #expect(response.status == 0)
    }

    /// Sends a request with the header fields and the data, and returns the gRPC status.
    private func status(
        _ fields: [(String, String)],
        _ data: Data = HTTP2Peer.message(EchoServer.payload("x"))
    ) throws -> Int? {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.headers(stream: 1, fields) + HTTP2Peer.data(stream: 1, data))
        let response = try peer.response(1)
        try expectLife(peer)
        return response.status
    }

    private func gzip(_ data: Data) -> Data {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        deflateInit2_(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
        defer { deflateEnd(&stream) }
        var input = [UInt8](data)
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(data.count))))
        input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                deflate(&stream, Z_FINISH)
            }
        }
        return Data(output.prefix(Int(stream.total_out)))
    }

    @Test func a_call_is_answered_with_header_message_and_trailers() async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Echo", "hello"))
        let response = try peer.response(1)
        #expect(
            response.headers == [
                ":status": "200", "content-type": "application/grpc",
                "grpc-accept-encoding": "identity,gzip",
            ]
        )
        #expect(response.values == ["hello"])
        #expect(response.trailers == ["grpc-status": "0"])
        await echo.stop()
    }

    @Test func both_protocols_are_served_at_once() async throws {
        let peer = try HTTP2Peer(echo.path)
        let connection = try echo.connect()
        peer.send(HTTP2Peer.call(stream: 1, "Stall", "grpc"))
        connection.send(EchoServer.call(stream: 1, "Stall", "ttrpc"))
        await echo.gate.waiting(2)
        echo.gate.open()
        #expect(try peer.response(1).values == ["grpc"])
        #expect(EchoServer.value(try connection.receiveFrame()) == "ttrpc")
        await echo.stop()
    }

    @Test func calls_are_answered_in_any_order() async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Stall", "slow"))
        peer.send(HTTP2Peer.call(stream: 3, "Echo", "quick"))
        #expect(try peer.response(3).values == ["quick"])
        #expect(peer.responses[1] == nil)
        echo.gate.open()
        #expect(try peer.response(1).values == ["slow"])
        await echo.stop()
    }

    @Test("3: exactly 4 MiB is accepted and answered, in as many parts as the windows ask for")
    func largest() async throws {
        let peer = try HTTP2Peer(echo.path)
        let value = String(repeating: "v", count: (4 << 20) - 5)
        let request = EchoServer.payload(value)
        #expect(request.count == 4 << 20)
        peer.send(HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields()))
        try peer.sendWithinWindows(stream: 1, HTTP2Peer.message(request))
        let response = try peer.response(1)
        #expect(response.values.first?.count == value.count)
        #expect(response.status == 0)
        peer.send(HTTP2Peer.call(stream: 3, "Big", "\(4 << 20)"))
        #expect(try peer.response(3).status == 8)
        try expectLife(peer)
        await echo.stop()
    }

    @Test("11: a length prefix over the limit is refused before its message comes")
    func oversize() async throws {
        let peer = try HTTP2Peer(echo.path)
        let prefix = Data([0]) + HTTP2Peer.bytes((4 << 20) + 1)
        peer.send(HTTP2Peer.headers(stream: 1, HTTP2Peer.requestFields()))
        peer.send(HTTP2Peer.data(stream: 1, endsStream: false, prefix))
        let response = try peer.response(1)
        #expect(response.status == 8)
        #expect(response.message?.contains("4194304") == true)
        try expectLife(peer)
        #expect(peer.responses[1]?.resetCode == 0, "the client need not send the rest")
        await echo.stop()
    }

    @Test("11: unknown paths and encodings, zero and two messages")
    func unimplemented() async throws {
        let message = HTTP2Peer.message(EchoServer.payload("x"))
        for path in ["/test.Echo/Ech", "/test.Echo/Echoo", "/test.Ech/Echo", "/"] {
            #expect(try status(HTTP2Peer.requestFields(path: path)) == 12, "\(path)")
        }
        #expect(try status(HTTP2Peer.requestFields([("grpc-encoding", "snappy")])) == 12)
        #expect(try status(HTTP2Peer.requestFields(), Data()) == 12)
        #expect(try status(HTTP2Peer.requestFields(), message + message) == 12)
        #expect(echo.handlersBegun == 7, "those that asked whether the connection lives")
        await echo.stop()
    }

    @Test(
        "11: another content type is HTTP's 415",
        arguments: ["application/json", "application/grpc-web", "application/grpc+json", ""]
    )
    func contentType(_ type: String) async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(
            HTTP2Peer.headers(
                stream: 1,
                endsStream: true,
                HTTP2Peer.requestFields(contentType: type)
            )
        )
        let response = try peer.response(1)
        #expect(response.headers == [":status": "415"])
        try expectLife(peer)
        await echo.stop()
    }

    @Test func other_names_of_the_content_type_are_accepted() async throws {
        for type in ["application/grpc+proto", "application/grpc;charset=utf-8"] {
            #expect(try status(HTTP2Peer.requestFields(contentType: type)) == 0)
        }
        await echo.stop()
    }

    @Test func other_methods_than_post_are_http_s_405() async throws {
        let peer = try HTTP2Peer(echo.path)
        let fields = [(":method", "GET")] + HTTP2Peer.requestFields().dropFirst()
        peer.send(HTTP2Peer.headers(stream: 1, endsStream: true, fields))
        #expect(try peer.response(1).headers[":status"] == "405")
        await echo.stop()
    }

    @Test("12: an undecodable payload")
    func undecodable() async throws {
        #expect(try status(HTTP2Peer.requestFields(), HTTP2Peer.message(Data([0x0A, 0x7F]))) == 13)
        #expect(try status(HTTP2Peer.requestFields(), Data([2, 0, 0, 0, 0])) == 13)
        #expect(try status(HTTP2Peer.requestFields(), Data([0, 0, 0, 0, 9, 1])) == 13)
        await echo.stop()
    }

    @Test func gzip_is_accepted_and_limited() async throws {
        let fields = HTTP2Peer.requestFields([("grpc-encoding", "gzip")])
        func message(_ data: Data) -> Data { HTTP2Peer.message(data, isCompressed: true) }
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.headers(stream: 1, fields))
        peer.send(HTTP2Peer.data(stream: 1, message(gzip(EchoServer.payload("zipped")))))
        #expect(try peer.response(1).values == ["zipped"])
        // An uncompressed message is allowed, too.
        #expect(try status(fields) == 0)
        // The message is 64 MiB compressed to 64 KiB.
        #expect(try status(fields, message(gzip(Data(count: 64 << 20)))) == 8)
        #expect(try status(fields, message(Data("not gzip".utf8))) == 13)
        #expect(try status(fields, message(gzip(Data("cut".utf8)).dropLast())) == 13)
        #expect(try status(HTTP2Peer.requestFields(), message(gzip(Data()))) == 13)
        await echo.stop()
    }

    @Test func a_failure_is_a_header_with_its_details() async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Fail"))
        let response = try peer.response(1)
        #expect(response.headers["content-type"] == "application/grpc")
        #expect(response.trailers.isEmpty && response.data.isEmpty)
        #expect(response.status == 3)
        #expect(response.message == "no")
        var text = try #require(response.headers["grpc-status-details-bin"])
        text += String(repeating: "=", count: (4 - text.count % 4) % 4)
        let status = Wire.fields(try #require(Data(base64Encoded: text)))
        #expect(status.map(\.number) == [1, 2, 3, 3])
        #expect(
            status.suffix(2).map {
                String(decoding: Wire.fields($0.content)[0].content, as: UTF8.self)
            } == [
                "type.googleapis.com/google.rpc.BadRequest",
                "type.googleapis.com/google.rpc.RetryInfo",
            ]
        )
        await echo.stop()
    }

    @Test func metadata_comes_as_text_and_as_bytes() async throws {
        let peer = try HTTP2Peer(echo.path)
        let metadata = [
            ("key", "value"), ("key", "two"), ("raw-bin", "AQID"), ("raw-bin", "AQI,AQ=="),
            ("user-agent", "test"),
        ]
        peer.send(HTTP2Peer.call(stream: 1, "Metadata", "", metadata))
        #expect(
            try peer.response(1).values
                == ["key=value,key=two,raw-bin=[1, 2, 3],raw-bin=[1, 2],raw-bin=[1]"]
        )
        peer.send(HTTP2Peer.call(stream: 3, "Metadata", "", [("raw-bin", "?")]))
        #expect(try peer.response(3).status == 3)
        await echo.stop()
    }

    @Test("9: every split point, then one byte at a time")
    func splits() async throws {
        let begin = HTTP2Peer.preface + HTTP2Peer.frame(HTTP2Peer.Kind.settings)
        let call = HTTP2Peer.call(stream: 1, "Echo", "split")
        let bytes = begin + call
        for split in stride(from: 1, to: bytes.count, by: 3) {
            let peer = try HTTP2Peer(unopened: echo.path)
            peer.send(bytes[..<split])
            peer.send(bytes[split...])
            #expect(try peer.response(1).values == ["split"])
        }
        let peer = try HTTP2Peer(unopened: echo.path)
        for byte in bytes { peer.send(Data([byte])) }
        #expect(try peer.response(1).values == ["split"])
        await echo.stop()
    }

    @Test("9: truncation, then the end: no reply, and everything is freed")
    func truncation() async throws {
        let begin = HTTP2Peer.preface + HTTP2Peer.frame(HTTP2Peer.Kind.settings)
        let bytes = begin + HTTP2Peer.call(stream: 1, "Echo", "cut")
        for length in stride(from: 1, to: bytes.count, by: 5) {
            let peer = try HTTP2Peer(unopened: echo.path)
            peer.send(bytes[..<length])
            peer.connection.endOutput()
            try peer.receiveAll()
            #expect(peer.responses[1]?.data.isEmpty ?? true)
        }
        let server = echo.server
        #expect(await eventually { server.connectionCount == 0 })
        #expect(echo.handlersBegun == 0)
        await echo.stop()
    }

    @Test func a_reset_stream_cancels_its_call() async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Stall", "x"))
        await echo.gate.waiting(1)
        peer.send(HTTP2Peer.reset(stream: 1))
        try expectLife(peer)
        echo.gate.open()
        #expect(await eventually { echo.handlersCancelled == 1 })
        #expect(peer.responses[1] == nil)
        await echo.stop()
    }

    @Test("27: a call that stalls ends at its deadline")
    func deadline() async throws {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.call(stream: 1, "Stall", "x", [("grpc-timeout", "1m")]))
        #expect(try peer.response(1).status == 4)
        // A request that does not end has a deadline, too.
        peer.send(
            HTTP2Peer.headers(
                stream: 3,
                HTTP2Peer.requestFields([("grpc-timeout", "1000u")])
            )
        )
        #expect(try peer.response(3).status == 4)
        peer.send(HTTP2Peer.call(stream: 5, "Echo", "x", [("grpc-timeout", "1x")]))
        #expect(try peer.response(5).status == 3)
        peer.send(HTTP2Peer.call(stream: 7, "Echo", "x", [("grpc-timeout", "99999999H")]))
        #expect(try peer.response(7).status == 0)
        await echo.stop()
    }
}

/// A value that only one task uses at a time.
struct UncheckedSendable<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
