import Foundation
import TestSupport
import Testing

/// A disk that fails while the daemon runs.
@Suite("a failing disk", .serialized)
struct DiskFailureTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Builds the library with which syncs fail while the file `fail` is in the folder; returns the
    /// environment that loads it.
    private func faults() throws -> [String: String] {
        let library = folder.path("fail-sync.so")
        let compiler = try Programs.run(
            "/usr/bin/gcc",
            ["-shared", "-fPIC", "-o", library, Programs.source("fail-sync.c"), "-ldl"]
        )
        guard compiler.code == 0 else { throw Failure("gcc: \(compiler.errors)") }
        return ["LD_PRELOAD": library, "FAIL_SYNC": folder.path("fail")]
    }

    @Test("31: a failed fsync acknowledges nothing and ends the daemon, not with 0")
    func failedSync() async throws {
        let daemon = try await Daemon(in: folder, environment: try faults())
        #expect(try daemon.control("add", "s", "--comment", "first").code == 0)
        let watch = try RawConnection(daemon.socket)
        let request = Wire.request("grpc.health.v1.Health", "Watch", Data())
        watch.send(Wire.frame(stream: 1, flags: 1, request))
        #expect(try servingStatus(watch) == 1)

        try Data().write(to: URL(fileURLWithPath: folder.path("fail")))
        let refused = try daemon.control("add", "s", "--timeout", "1")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("UNAVAILABLE"), "\(refused.errors)")
        #expect(try servingStatus(watch) == 2)
        #expect(await eventually { !daemon.process.isRunning })
        #expect(daemon.process.terminationStatus == 1)
        #expect(daemon.process.terminationReason == .exit)
        #expect(try daemon.log().split(separator: "\n").last?.hasPrefix("feedbackd: ") == true)
        #expect(!FileManager.default.fileExists(atPath: daemon.socket))

        // A restart, with a disk that works again, reads the stored data.
        try FileManager.default.removeItem(atPath: folder.path("fail"))
        let next = try await Daemon(in: folder)
        #expect(try next.control("list", "s").output.contains("  first\n"))
        #expect(try next.control("add", "s").code == 0)
        #expect(try next.sqlite("PRAGMA integrity_check") == "ok")
        #expect(next.terminate() == 0)
    }

    /// Returns the next status of a watch: 1 is SERVING, 2 NOT_SERVING (grpc.health.v1).
    private func servingStatus(_ watch: RawConnection) throws -> UInt8? {
        let frame = try watch.receiveFrame()
        return Wire.fields(frame?.data ?? Data()).first { $0.number == 1 }?.content.first
    }
}
