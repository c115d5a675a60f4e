import Foundation
import TestSupport
import Testing

/// Calls of the daemon with gRPC's own Python library.
@Suite("the Python gRPC client", .serialized)
struct GRPCPythonTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(
        "methods, errors, metadata, gzip, deadlines, cancellation, health, reflection",
        arguments: ["all", "errors", "transport", "health", "reflection"]
    )
    func subcommand(_ name: String) async throws {
        let daemon = try await Daemon(in: folder)
        let outcome = try await PythonClient.run(daemon.socket, [name])
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(daemon.terminate() == 0)
    }

    @Test func a_ping_every_second_is_answered_and_no_abuse() async throws {
        let daemon = try await Daemon(in: folder)
        let outcome = try await PythonClient.run(daemon.socket, ["keepalive"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let answers = outcome.errors.components(separatedBy: "Finish keepalive ping").count - 1
        #expect(answers >= 4, "\(outcome.errors)")
        #expect(daemon.terminate() == 0)
    }

    @Test func a_watch_ends_when_the_daemon_does() async throws {
        let daemon = try await Daemon(in: folder)
        let output = folder.path("watch")
        let watch = try PythonClient.start(
            daemon.socket,
            ["watch"],
            output: output,
            errors: output
        )
        #expect(try await eventually { try Programs.text(output) == "SERVING\n" })
        #expect(daemon.terminate() == 0)
        watch.waitUntilExit()
        let lines = try Programs.text(output).split(separator: "\n")
        #expect(watch.terminationStatus == 0, "\(lines)")
        #expect(["end OK", "end UNAVAILABLE"].contains(lines.last), "\(lines)")
    }
}
