import CallStatus
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import RPC

@Suite("the client")
struct RPCClientTests {
    private func call(
        _ client: RPCClient,
        _ method: String,
        _ value: String,
        timeout: Duration? = .seconds(10)
    ) async throws -> String {
        try await client.call(
            EchoServer.service,
            method,
            timeout: timeout,
            encode: { try EchoServer.encode(value, $0) },
            decode: EchoServer.decode
        )
    }

    @Test func a_thousand_calls_at_once_share_a_connection() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<1_000 {
                group.addTask { try await call(client, "Echo", "\(index)") == "\(index)" }
            }
            for try await isRight in group { #expect(isRight) }
        }
        #expect(echo.server.connectionCount == 1)
        client.close()
        await echo.stop()
    }

    @Test func a_burst_of_more_than_the_queues_hold_is_answered() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        let filling = String(repeating: "x", count: 2_000)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<10_000 {
                group.addTask {
                    let value = filling + String(index)
                    return try await call(client, "Echo", value, timeout: .seconds(60)) == value
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
        #expect(echo.server.connectionCount == 1)
        client.close()
        await echo.stop()
    }

    @Test func the_server_s_status_comes_with_its_violations() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        await #expect {
            try await call(client, "Fail", "")
        } throws: {
            let status = $0 as? CallError
            return status?.code == .invalidArgument
                && status?.violations
                    == [CallError.FieldViolation(field: "value", description: "is wrong")]
        }
        client.close()
        await echo.stop()
    }

    @Test func calls_that_wait_when_the_stream_ids_are_used_up_end_as_unavailable() async throws {
        let folder = try TemporaryFolder()
        let address = try UnixSocketAddress(path: folder.path("silent.sock"))
        let server = try SocketFile(address, SocketPermissions())
        defer {
            server.remove()
            close(server.descriptor)
        }
        var limits = RPCLimits()
        limits.outputQueueBytesMax = 1 << 20
        let loop = try EventLoop(label: "test", limits: limits)
        let channel = Channel(
            descriptor: try SocketFile.connect(to: address),
            loop: loop,
            memory: ConnectionMemory(PeerMemory(bytesMax: .max), uid: 0)
        )
        let peer = accept(server.descriptor, nil, nil)
        defer { close(peer) }
        let codes = Codes()
        // The socket does not take all of the first call, so that the others wait.
        let value = String(repeating: "x", count: 2 << 20)
        loop.submit {
            let session = TTRPCClientSession(channel: channel, firstStreamID: .max - 2)
            channel.start(delegate: session)
            for index in 0..<3 {
                let call = ClientCall(
                    service: EchoServer.service,
                    method: "Echo",
                    deadline: nil,
                    encode: { try EchoServer.encode(value, $0) }
                )
                call.begin(arena: loop.arena) { outcome, _ in
                    guard case .failure(let error) = outcome else { return }
                    codes.set(CallError(error).code, of: index)
                }
                do { try session.start(call) } catch { call.complete(.failure(error)) }
            }
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let flags = Int32(MSG_DONTWAIT)
        #expect(
            await eventually {
                while recv(peer, &buffer, buffer.count, flags) > 0 {}
                return codes.all[2] == .unavailable
            }
        )
        #expect(codes.all[0...1] == [nil, nil])
        // With its last answer, the connection ends.
        for stream in [UInt32.max - 2, .max] {
            let answer = Wire.frame(stream: stream, kind: 2, Data())
            #expect(answer.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, 0) } > 0)
        }
        #expect(await eventually { recv(peer, &buffer, buffer.count, flags) == 0 })
        loop.submit { channel.close() }
    }

    @Test func a_missing_server_is_unavailable_and_found_later() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        #expect(try await call(client, "Echo", "a") == "a")
        await echo.stop()
        await #expect(throws: CallError.self) { try await call(client, "Echo", "b") }

        var router = Router(logger: Logger(label: "test"))
        router.unary(
            EchoServer.service,
            "Echo",
            decode: EchoServer.decode,
            encode: EchoServer.encode
        ) { value, _ in value + "!" }
        let second = try RPCServer(router: router)
        try second.start(at: UnixSocketAddress(path: echo.path))
        #expect(try await call(client, "Echo", "c") == "c!")
        client.close()
        await second.stop(within: .seconds(5))
    }

    @Test func a_deadline_ends_the_call_and_the_connection_lives() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        await #expect {
            try await call(client, "Stall", "", timeout: .milliseconds(20))
        } throws: {
            ($0 as? CallError)?.code == .deadlineExceeded
        }
        await #expect {
            try await call(client, "Echo", "", timeout: .zero)
        } throws: {
            ($0 as? CallError)?.code == .deadlineExceeded
        }
        #expect(try await call(client, "Echo", "alive") == "alive")
        client.close()
        await echo.stop()
    }

    @Test func a_cancelled_task_stops_waiting() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        let task = Task { try await call(client, "Stall", "", timeout: nil) }
        await echo.gate.waiting(1)
        task.cancel()
        await #expect {
            try await task.value
        } throws: {
            ($0 as? CallError)?.code == .cancelled
        }
        #expect(try await call(client, "Echo", "alive") == "alive")
        client.close()
        await echo.stop()
    }

    @Test func calls_in_flight_are_unavailable_when_the_connection_is_lost() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        let task = Task { try await call(client, "Stall", "") }
        await echo.gate.waiting(1)
        await echo.server.stop(within: .zero)
        await #expect {
            try await task.value
        } throws: {
            ($0 as? CallError)?.code == .unavailable
        }
        client.close()
        echo.gate.open()
    }

    @Test func a_request_over_the_limit_is_refused_here() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        await #expect {
            try await call(client, "Echo", String(repeating: "x", count: 4 << 20))
        } throws: {
            ($0 as? CallError)?.code == .resourceExhausted
        }
        #expect(try await call(client, "Echo", "alive") == "alive")
        client.close()
        await echo.stop()
    }

    @Test func health_is_asked_per_service() async throws {
        let echo = try EchoServer()
        let client = try RPCClient(address: UnixSocketAddress(path: echo.path))
        for service in ["", EchoServer.service] {
            #expect(try await HealthService.check(service, with: client, timeout: .seconds(5)))
        }
        await #expect(throws: CallError.self) {
            try await HealthService.check("test.Nothing", with: client, timeout: .seconds(5))
        }
        client.close()
        await echo.stop()
    }
}

/// The codes with which three calls have failed.
private final class Codes: Sendable {
    private let codes = Mutex([CallError.Code?](repeating: nil, count: 3))

    var all: [CallError.Code?] { codes.withLock { $0 } }

    func set(_ code: CallError.Code, of index: Int) { codes.withLock { $0[index] = code } }
}
