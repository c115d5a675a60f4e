import CallStatus
import Foundation
import Logging
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
