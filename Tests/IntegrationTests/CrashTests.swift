import Foundation
import TestSupport
import Testing

/// `docs/RELIABILITY.md`, 29 and 37: the daemon ends, by a kill or in order, under the Go client's
/// load.
@Suite("the daemon ends under load", .serialized)
struct CrashTests {
    private static let session = "crash"

    /// Starts the load, which ends when the daemon does and appends the acknowledged feedback to a
    /// file.
    private func startLoad(on daemon: Daemon, _ folder: TemporaryFolder) throws -> Process {
        try Programs.start(
            GoClient.program(),
            [daemon.socket, "load", Self.session, "32"],
            output: folder.path("acks"),
            errors: folder.path("load-errors")
        )
    }

    /// Returns the size of the file of acknowledgements in bytes; reading the whole file each time
    /// would take longer and longer.
    private func acknowledgedBytes(_ folder: TemporaryFolder) throws -> Int {
        guard FileManager.default.fileExists(atPath: folder.path("acks")) else { return 0 }
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("acks"))
        return attributes[.size] as? Int ?? 0
    }

    /// Expects that every acknowledged feedback is stored once, and that the database is intact.
    private func verify(_ folder: TemporaryFolder) async throws {
        let daemon = try await Daemon(in: folder)
        let checked = try GoClient.run(daemon, "check-acks", Self.session, folder.path("acks"))
        #expect(checked.code == 0, "\(checked.output)\(checked.errors)")
        let metrics = try daemon.control("metrics", Self.session, "--json")
        let rows = try daemon.sqlite("SELECT count(*) FROM feedback")
        #expect(metrics.output.contains("\"total\" : \(rows)"))
        #expect(daemon.terminate() == 0)
        #expect(try daemon.sqlite("PRAGMA integrity_check") == "ok")
    }

    /// The variable `FEEDBACKD_CRASH_ROUNDS` sets the number of rounds.
    @Test("29: SIGKILL under load, every acknowledged feedback is there exactly once")
    func crashes() async throws {
        let variable = ProcessInfo.processInfo.environment["FEEDBACKD_CRASH_ROUNDS"]
        let rounds = try #require(Int(variable ?? "25"))
        let folder = try TemporaryFolder()
        for round in 0..<rounds {
            let before = try acknowledgedBytes(folder)
            let daemon = try await Daemon(in: folder)
            let load = try startLoad(on: daemon, folder)
            // The kill comes at a different point of the work in each round, and never before the
            // work began.
            let wanted = before + 1 + round * 3_700 % 50_000
            #expect(try await eventually { try acknowledgedBytes(folder) >= wanted })
            daemon.kill()
            load.waitUntilExit()
            let errors = try Programs.text(folder.path("load-errors"))
            #expect(load.terminationStatus == 0, "\(errors)")
        }
        try await verify(folder)
    }

    @Test("37: SIGTERM under load, calls in flight finish, exit 0, the socket is removed")
    func termination() async throws {
        let folder = try TemporaryFolder()
        for signal in [SIGTERM, SIGINT] {
            let before = try acknowledgedBytes(folder)
            let daemon = try await Daemon(in: folder)
            let load = try startLoad(on: daemon, folder)
            #expect(try await eventually { try acknowledgedBytes(folder) > before + 20_000 })
            #expect(daemon.terminate(signal) == 0)
            #expect(!FileManager.default.fileExists(atPath: daemon.socket))
            load.waitUntilExit()
            let errors = try Programs.text(folder.path("load-errors"))
            #expect(load.terminationStatus == 0, "\(errors)")
        }
        try await verify(folder)
    }
}
