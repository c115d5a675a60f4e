import FeedbackServer
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

/// gRPC's interoperability cases with a Python client, against a server in this process whose hook
/// sleeps or fails as a call requests.
@Suite("gRPC's interoperability cases", .serialized)
struct GRPCInteropTests {
    private let folder: TemporaryFolder
    private let hook = ObedientHook()
    private let server: FeedbackServer

    private final class ObedientHook: FeedbackHook {
        let wake = Gate()
        private let calls = Mutex<[CallContext]>([])

        /// The calls that sleep or have slept, in the order of their arrival.
        var sleepers: [CallContext] { calls.withLock { $0 } }

        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            guard let feedback = change.draft else { return try await next(change) }
            if let status = feedback.attributes["status"] {
                let code = Int32(status).flatMap(CallError.Code.init(rawValue:))
                throw CallError(code ?? .invalidArgument, feedback.comment)
            }
            if feedback.attributes["sleep"] != nil {
                calls.withLock { $0.append(context.call) }
                await wake.pass()
            }
            return try await next(change)
        }
    }

    init() throws {
        folder = try TemporaryFolder()
        var configuration = ServerConfiguration()
        configuration.socketPath = folder.path("s.sock")
        configuration.store = .memory
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        server = try FeedbackServer(configuration: configuration, hooks: [hook], logger: quiet)
        try server.start()
    }

    private func run(_ arguments: String...) async throws {
        let outcome = try await PythonClient.run(server.socketPath, arguments)
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
    }

    @Test(arguments: [
        "empty_unary", "large_unary", "unimplemented_method", "unimplemented_service",
        "status_code_and_message", "special_status_message",
    ])
    func interop(_ name: String) async throws {
        try await run("interop", name)
        try await server.stop()
    }

    /// The server notices that the caller is gone, and stores nothing for it.
    @Test(arguments: [
        ("cancel_after_begin", CallError.Code.cancelled),
        ("timeout_on_sleeping_server", .deadlineExceeded),
    ])
    func abandoned_calls(_ name: String, _ code: CallError.Code) async throws {
        try await run("interop", name)
        #expect(!hook.sleepers.isEmpty)
        #expect(await eventually { hook.sleepers.allSatisfy { $0.dropError != nil } })
        if let first = hook.sleepers.first { #expect(first.dropError?.code == code) }
        hook.wake.open()
        try await server.stop()
    }

    @Test func a_thousand_calls_are_in_flight_on_one_channel() async throws {
        async let outcome = PythonClient.run(server.socketPath, ["parallel", "s", "1000"])
        let areInFlight = await eventually { hook.sleepers.count == 1000 }
        #expect(areInFlight, "\(hook.sleepers.count) are")
        hook.wake.open()
        let ended = try await outcome
        #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
        try await server.stop()
    }
}
