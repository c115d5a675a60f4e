import Foundation
import TestSupport
import Testing

@testable import RPC

/// The requests that HTTP/2 lets through and those that it does not (RFC 9113, sections 8.1 to
/// 8.3), with real frames; `docs/RELIABILITY.md`, "Peers".
@Suite("gRPC: well-formed and malformed requests")
struct HTTP2RequestTests {
    private static let protocolError: UInt32 = 1
    private static let method = (":method", "POST")
    private static let scheme = (":scheme", "http")
    private static let path = (":path", "/test.Echo/Echo")
    private static let others = [("te", "trailers"), ("content-type", "application/grpc")]
    private static let fields = [method, scheme, path] + others
    private static let body = HTTP2Peer.message(EchoServer.payload("x"))

    /// Sends a call with the fields and returns the response.
    private func call(_ echo: EchoServer, _ fields: [(String, String)]) throws -> HTTP2Peer.Response
    {
        let peer = try HTTP2Peer(echo.path)
        peer.send(HTTP2Peer.headers(stream: 1, fields))
        peer.send(HTTP2Peer.data(stream: 1, Self.body))
        return try peer.response(1)
    }

    @Test("85: a request is served with any :authority, and without one")
    func authority() async throws {
        let echo = try EchoServer()
        for authority in [
            "/tmp/x.sock", "unix:/tmp/x.sock", "%2Ftmp%2Fx.sock", "", "localhost", "user@host:1",
            "[::1]:50051", "a b", "\u{FC}ber", "<none>",
        ] {
            let response = try call(echo, Self.fields + [(":authority", authority)])
            // A pseudo-header field after the others is malformed.
            #expect(response.resetCode == Self.protocolError)
            let pseudo = [Self.method, Self.scheme, Self.path, (":authority", authority)]
            #expect(try call(echo, pseudo + Self.others).values == ["x"], "\(authority)")
        }
        #expect(try call(echo, Self.fields).values == ["x"])
        #expect(try call(echo, Self.fields + [("host", "/tmp/x.sock")]).values == ["x"])
        await echo.stop()
    }

    @Test("fields that no program needs are passed over")
    func unusualFields() async throws {
        let echo = try EchoServer()
        for field in [
            ("x-text", "bell \u{7}"), ("x(y)", "1"), ("x-space", " padded "), ("", "nameless"),
            ("priority", "u=9"), ("content-length", "\(Self.body.count)"), ("x-empty", ""),
        ] {
            #expect(try call(echo, Self.fields + [field]).values == ["x"], "\(field.0)")
        }
        await echo.stop()
    }

    /// Headers that RFC 9113 calls malformed.
    private static let malformed: KeyValuePairs<String, [(String, String)]> = [
        "no method": [scheme, path] + others,
        "no scheme": [method, path] + others,
        "no path": [method, scheme] + others,
        "nothing": others,
        "two methods": [method] + fields,
        "two schemes": [scheme] + fields,
        "two paths": [path] + fields,
        "two authorities": [(":authority", "a"), (":authority", "a")] + fields,
        "two hosts": fields + [("host", "a"), ("host", "a")],
        "a pseudo-header field after others": others + [method, scheme, path],
        "a pseudo-header field of responses": [(":status", "200")] + fields,
        "an unknown pseudo-header field": [(":protocol", "websocket")] + fields,
        "a capital letter": fields + [("X-Upper", "1")],
        "a method that is no token": [(":method", "PO ST"), scheme, path] + others,
        "an empty method": [(":method", ""), scheme, path] + others,
        "an empty scheme": [method, (":scheme", ""), path] + others,
        "an empty path": [method, scheme, (":path", "")] + others,
        "a path without a slash": [method, scheme, (":path", "test.Echo/Echo")] + others,
        "a path with a space": [method, scheme, (":path", "/test Echo")] + others,
        "an authority with a line feed": [(":authority", "a\nb")] + fields,
        "CONNECT with a path": [(":method", "CONNECT"), scheme, path] + others,
        "te": [method, scheme, path, ("te", "gzip")],
        "connection": fields + [("connection", "close")],
        "keep-alive": fields + [("keep-alive", "1")],
        "proxy-connection": fields + [("proxy-connection", "close")],
        "transfer-encoding": fields + [("transfer-encoding", "chunked")],
        "upgrade": fields + [("upgrade", "h2c")],
        "a length that is no number": fields + [("content-length", "-1")],
        "an empty length": fields + [("content-length", "")],
        "a length beyond all": fields + [("content-length", "99999999999999999999")],
        "two lengths": fields + [("content-length", "12"), ("content-length", "12")],
        "a length above the body's": fields + [("content-length", "\(body.count + 1)")],
        "a length below the body's": fields + [("content-length", "\(body.count - 1)")],
        "a length of nothing": fields + [("content-length", "0")],
    ]

    @Test("a malformed request resets its stream alone")
    func malformedRequests() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        var stream: UInt32 = 1
        for (name, fields) in Self.malformed {
            peer.send(HTTP2Peer.headers(stream: stream, fields))
            peer.send(HTTP2Peer.data(stream: stream, Self.body))
            #expect(try peer.response(stream).resetCode == Self.protocolError, "\(name)")
            stream += 2
        }
        #expect(echo.handlersBegun == 0)
        peer.send(HTTP2Peer.call(stream: stream, "Echo", "alive"))
        #expect(try peer.response(stream).values == ["alive"])
        #expect(peer.goAways.isEmpty)
        await echo.stop()
    }

    @Test("a body that is shorter than announced resets its stream, however it ends")
    func shortBodies() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        let length = ("content-length", "\(Self.body.count + 1)")
        peer.send(HTTP2Peer.headers(stream: 1, endsStream: true, Self.fields + [length]))
        #expect(try peer.response(1).resetCode == Self.protocolError)
        peer.send(HTTP2Peer.headers(stream: 3, Self.fields + [length]))
        peer.send(HTTP2Peer.data(stream: 3, endsStream: false, Self.body))
        peer.send(HTTP2Peer.headers(stream: 3, endsStream: true, [("x-trailer", "1")]))
        #expect(try peer.response(3).resetCode == Self.protocolError)
        // A frame whose padding hides its length.
        peer.send(HTTP2Peer.headers(stream: 5, Self.fields + [length]))
        let padded: UInt8 = 8
        peer.send(
            HTTP2Peer.frame(
                HTTP2Peer.Kind.data,
                flags: padded | HTTP2Peer.endStream,
                stream: 5,
                [1] + Self.body + [0]
            )
        )
        #expect(try peer.response(5).resetCode == Self.protocolError)
        #expect(echo.handlersBegun == 0)
        await echo.stop()
    }

    @Test("a body that is longer than announced does not use up the connection's window")
    func longBodies() async throws {
        var limits = RPCLimits()
        limits.connectionWindowBytes = 65_535
        let echo = try EchoServer(limits: limits)
        let peer = try HTTP2Peer(echo.path)
        for stream in 0..<10 as Range<UInt32> {
            let id = 2 * stream + 1
            peer.send(HTTP2Peer.headers(stream: id, Self.fields + [("content-length", "1")]))
            try peer.sendWithinWindows(stream: id, Data(count: 16_384))
            #expect(try peer.response(id).resetCode == Self.protocolError)
        }
        peer.send(HTTP2Peer.headers(stream: 21, Self.fields))
        try peer.sendWithinWindows(stream: 21, Self.body)
        #expect(try peer.response(21).values == ["x"])
        await echo.stop()
    }

    @Test("trailers are passed over, unless they are malformed")
    func trailers() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        func send(
            _ stream: UInt32,
            endsStream: Bool = true,
            _ trailers: [(String, String)]
        ) throws
            -> HTTP2Peer.Response
        {
            peer.send(HTTP2Peer.headers(stream: stream, Self.fields))
            peer.send(HTTP2Peer.data(stream: stream, endsStream: false, Self.body))
            peer.send(HTTP2Peer.headers(stream: stream, endsStream: endsStream, trailers))
            return try peer.response(stream)
        }
        #expect(try send(1, [("x-trailer", "1")]).values == ["x"])
        #expect(try send(3, [(":path", "/")]).resetCode == Self.protocolError)
        #expect(try send(5, [("X-Trailer", "1")]).resetCode == Self.protocolError)
        #expect(try send(7, [("connection", "close")]).resetCode == Self.protocolError)
        #expect(
            try send(9, endsStream: false, [("x-trailer", "1")]).resetCode == Self.protocolError
        )
        #expect(echo.handlersBegun == 1)
        await echo.stop()
    }
}
