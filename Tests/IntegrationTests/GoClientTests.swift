import Foundation
import TestSupport
import Testing

/// Calls of the daemon with a program whose RPC library is not ours.
@Suite("the Go client", .serialized)
struct GoClientTests {
    @Test(
        "every method, errors, deadlines, and a thousand calls at once",
        arguments: [
            ["all"], ["errors"], ["deadline"], ["parallel-connections", "1000"],
            ["parallel-calls", "1000"],
        ]
    )
    func subcommand(_ arguments: [String]) async throws {
        let daemon = try await Daemon(in: TemporaryFolder())
        let outcome = try Programs.run(GoClient.program(), [daemon.socket] + arguments)
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(daemon.terminate() == 0)
    }

    @Test func feedback_survives_kill_9() async throws {
        let folder = try TemporaryFolder()
        let first = try await Daemon(in: folder)
        let added = try GoClient.run(first, "add", "user-123", "25")
        #expect(added.output.split(separator: "\n").count == 25)
        first.kill()
        let second = try await Daemon(in: folder)
        let verified = try GoClient.run(second, "verify", "user-123", "25")
        #expect(verified.code == 0, "\(verified.errors)")
    }
}
