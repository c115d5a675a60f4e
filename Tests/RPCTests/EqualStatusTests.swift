import CallStatus
import Foundation
import ProtoCodec
import TestSupport
import Testing

@testable import RPC

/// An error is the same status on both protocols.
@Suite("errors over both protocols")
struct EqualStatusTests {
    /// The status of a call that failed, as it stands on the wire.
    private struct Status: Equatable {
        var code: Int
        var message: String
        /// `google.rpc.Status` as it was sent; nil from gRPC if it has no details.
        var bytes: Data?
    }

    private static func overTTRPC(
        _ echo: EchoServer,
        _ service: String,
        _ method: String,
        _ payload: Data,
        timeoutNanoseconds: Int64
    ) throws -> Status {
        let connection = try echo.connect()
        let request = Wire.request(
            service,
            method,
            timeoutNanoseconds: timeoutNanoseconds,
            payload
        )
        let flags = TTRPCFrameHeader.Flags.remoteClosed
        connection.send(Wire.frame(stream: 1, flags: flags, request))
        let frame = try #require(try connection.receiveFrame())
        #expect(frame.kind == TTRPCFrameHeader.Kind.response)
        let response = Wire.response(frame.data)
        return Status(
            code: response.code,
            message: response.message,
            bytes: Wire.fields(frame.data).first { $0.number == 1 }?.content
        )
    }

    private static func overGRPC(
        _ echo: EchoServer,
        _ service: String,
        _ method: String,
        _ payload: Data,
        timeoutNanoseconds: Int64
    ) throws -> Status {
        let peer = try HTTP2Peer(echo.path)
        var fields = HTTP2Peer.requestFields(path: "/\(service)/\(method)")
        if timeoutNanoseconds > 0 { fields.append(("grpc-timeout", "\(timeoutNanoseconds)n")) }
        peer.send(
            HTTP2Peer.headers(stream: 1, fields)
                + HTTP2Peer.data(stream: 1, HTTP2Peer.message(payload))
        )
        let response = try peer.response(1)
        let details =
            response.trailers["grpc-status-details-bin"]
            ?? response.headers["grpc-status-details-bin"]
        return Status(
            code: try #require(response.status),
            message: try #require(response.message?.removingPercentEncoding),
            bytes: details.flatMap { text in
                let padding = String(repeating: "=", count: (4 - text.count % 4) % 4)
                return Data(base64Encoded: text + padding)
            }
        )
    }

    /// Makes the same call over both protocols, and expects the same status.
    private func expectSame(
        _ echo: EchoServer,
        service: String = EchoServer.service,
        _ method: String,
        _ payload: Data,
        timeoutNanoseconds: Int64 = 0,
        code: CallError.Code
    ) throws {
        let timeout = timeoutNanoseconds
        let ttrpc = try Self.overTTRPC(
            echo,
            service,
            method,
            payload,
            timeoutNanoseconds: timeout
        )
        let grpc = try Self.overGRPC(echo, service, method, payload, timeoutNanoseconds: timeout)
        #expect(ttrpc.code == Int(code.rawValue), "\(ttrpc.message)")
        #expect(grpc.code == ttrpc.code)
        #expect(grpc.message == ttrpc.message)
        #expect(!ttrpc.message.isEmpty && !ttrpc.message.contains("secret"))
        if let details = grpc.bytes { #expect(details == ttrpc.bytes) }
        let hasDetails = ttrpc.bytes.map { Wire.fields($0).contains { $0.number == 3 } }
        #expect(hasDetails == (grpc.bytes != nil))
    }

    @Test("whatever a handler throws", arguments: EchoServer.thrown.indices)
    func thrown(_ index: Int) async throws {
        let echo = try EchoServer()
        let code = CallError(EchoServer.thrown[index]).code
        try expectSame(echo, "Throw", EchoServer.payload("\(index)"), code: code)
        try expectSame(echo, "ThrowStreaming", EchoServer.payload("\(index)"), code: code)
        await echo.stop()
    }

    @Test func all_that_the_protocols_themselves_refuse() async throws {
        var limits = RPCLimits()
        limits.frameBytesMax = 10_000
        let echo = try EchoServer(limits: limits)
        let x = EchoServer.payload("x")
        try expectSame(echo, "Nothing", x, code: .unimplemented)
        try expectSame(echo, service: "test.Nothing", "Echo", x, code: .unimplemented)
        // Echo's own decoder converts nothing.
        try expectSame(echo, "Echo", Data([0xFF]), code: .internal)
        try expectSame(echo, "Big", EchoServer.payload("20000"), code: .resourceExhausted)
        try expectSame(echo, "Count", EchoServer.payload("0"), code: .outOfRange)
        try expectSame(echo, "Stall", x, timeoutNanoseconds: 1_000_000, code: .deadlineExceeded)
        await echo.stop()
    }

    @Test func a_connection_that_is_not_served() async throws {
        let echo = try EchoServer { _ in
            CallError(.permissionDenied, "this user is not served", retryDelay: .seconds(3))
        }
        try expectSame(echo, "Echo", EchoServer.payload("x"), code: .permissionDenied)
        await echo.stop()
    }
}
