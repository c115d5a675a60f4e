import Foundation
import TestSupport
import Testing

/// A disk that fails while the daemon runs.
@Suite("a failing disk", .serialized)
struct DiskFailureTests {
    private let folder: TemporaryFolder
    private let disk: FailingDisk

    init() throws {
        folder = try TemporaryFolder()
        disk = try FailingDisk()
    }

    @Test("31: a failed fsync acknowledges nothing and ends the daemon, not with 0")
    func failedSync() async throws {
        let daemon = try await Daemon(in: folder, environment: disk.environment)
        #expect(try daemon.control("add", "s", "--comment", "first").code == 0)
        let watch = try HealthWatch(daemon)
        #expect(try watch.next() == .serving)

        try disk.begin(.sync)
        let refused = try daemon.control("add", "s", "--timeout", "1")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("UNAVAILABLE"), "\(refused.errors)")
        #expect(try watch.next() == .notServing)
        #expect(await eventually { !daemon.process.isRunning })
        #expect(daemon.process.terminationStatus == 1)
        #expect(daemon.process.terminationReason == .exit)
        #expect(try daemon.log().split(separator: "\n").last?.hasPrefix("feedbackd: ") == true)
        #expect(!FileManager.default.fileExists(atPath: daemon.socket))

        // A restart, with a disk that works again, reads the stored data.
        try disk.end(.sync)
        let next = try await Daemon(in: folder)
        #expect(try next.control("list", "s").output.contains("  first\n"))
        #expect(try next.control("add", "s").code == 0)
        #expect(try next.sqlite("PRAGMA integrity_check") == "ok")
        #expect(next.terminate() == 0)
    }

    /// Starts a daemon that has little of its database in memory.
    private func daemonWithFeedback() async throws -> Daemon {
        let first = try await Daemon(in: folder)
        #expect(try first.control("add", "s", "--comment", "first").code == 0)
        #expect(first.terminate() == 0)
        let daemon = try await Daemon(in: folder, environment: disk.environment)
        // A connection for reads is there.
        #expect(try daemon.control("list", "nobody").code == 0)
        return daemon
    }

    @Test("57: a single read that fails is repeated, and nobody sees it")
    func failedRead() async throws {
        let daemon = try await daemonWithFeedback()
        try disk.begin(.read)
        let list = try daemon.control("list", "s")
        #expect(list.output.contains("  first\n"), "\(list.errors)")
        #expect(!disk.has(.read))
        #expect(try daemon.control("health").output == "SERVING\n")
        #expect(try daemon.control("add", "s").code == 0)
        #expect(daemon.terminate() == 0)
    }

    @Test("57: an add whose read fails is UNAVAILABLE, and the next one is stored")
    func failedReadOfAdd() async throws {
        let daemon = try await daemonWithFeedback()
        try disk.begin(.read)
        // Unlike feedbackctl, this does not repeat the call.
        let connection = try RawConnection(daemon.socket)
        connection.send(
            Wire.call(stream: 1, "feedback.v1.FeedbackService", "AddFeedback", Wire.field(1, "s"))
        )
        let frame = try #require(try connection.receiveFrame())
        #expect(Wire.response(frame.data).code == 14)
        #expect(!disk.has(.read))
        #expect(try daemon.control("health").output == "SERVING\n")
        #expect(try daemon.control("add", "s", "--comment", "second").code == 0)
        #expect(try daemon.control("list", "s").output.contains("  second\n"))
        #expect(daemon.terminate() == 0)
    }

    @Test("57: reads that go on failing are UNAVAILABLE and no damage, and recover")
    func failedReads() async throws {
        let daemon = try await daemonWithFeedback()
        try disk.begin(.reads)
        for _ in 0..<3 {
            let list = try daemon.control("list", "s", "--timeout", "1")
            #expect(list.code == 1)
            #expect(list.errors.contains("UNAVAILABLE"), "\(list.errors)")
        }
        #expect(try daemon.control("health").output == "SERVING\n")
        try disk.end(.reads)
        #expect(try daemon.control("list", "s").output.contains("  first\n"))
        #expect(try daemon.control("add", "s").code == 0)
        #expect(daemon.terminate() == 0)
    }

    @Test(
        "59: lock errors that stay are UNAVAILABLE at once, for reads and adds without a deadline"
    )
    func failedLocks() async throws {
        let daemon = try await Daemon(in: folder, environment: disk.environment)
        #expect(try daemon.control("add", "s", "--comment", "first").code == 0)
        #expect(try daemon.control("list", "s").code == 0)
        try disk.begin(.lock)
        let connection = try RawConnection(daemon.socket)
        let session = Wire.field(1, "s")
        let methods = Array(repeating: "ListFeedbacks", count: 30) + ["AddFeedback", "GetMetrics"]
        for (index, method) in methods.enumerated() {
            let stream = UInt32(2 * index + 1)
            connection.send(
                Wire.call(stream: stream, "feedback.v1.FeedbackService", method, session)
            )
        }
        // Receiving has a timeout.
        for _ in methods {
            let frame = try #require(try connection.receiveFrame())
            let response = Wire.response(frame.data)
            #expect(response.code == 14, "\(response.message)")
        }
        try disk.end(.lock)
        #expect(try daemon.control("list", "s").output.contains("  first\n"))
        #expect(try daemon.control("health").output == "SERVING\n")
        #expect(try daemon.control("add", "s").code == 0)
        #expect(daemon.terminate() == 0)
    }

    /// Makes a program that runs the daemon with a limit on the size of files.
    private func limited(kibibytes: Int) throws -> String {
        let script = folder.path("limited")
        // The tests' processes hand down a mask, with which the signal would not come, and keep
        // libmongoc from making a file.
        let text = """
            #!/bin/bash
            ulimit -f \(kibibytes)
            unset MONGOC_DISABLE_SHM
            exec env --default-signal=XFSZ \(try Programs.path("feedbackd")) "$@"
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: script))
        chmod(script, 0o700)
        return script
    }

    @Test("60: under a limit on file sizes it serves reads and refuses what does not fit")
    func limitedFiles() async throws {
        let comment = String(repeating: "x", count: 9_000)
        let first = try await Daemon(in: folder)
        for _ in 0..<10 { #expect(try first.control("add", "s", "--comment", comment).code == 0) }
        #expect(first.terminate() == 0)

        let daemon = try await Daemon(in: folder, program: limited(kibibytes: 64))
        #expect(try daemon.control("list", "s").output.contains(comment))
        var stored = 10
        var refusal: Programs.Outcome?
        while refusal == nil, stored < 30 {
            let outcome = try daemon.control("add", "s", "--comment", comment)
            if outcome.code == 0 { stored += 1 } else { refusal = outcome }
        }
        #expect(refusal?.errors.contains("RESOURCE_EXHAUSTED") == true, "\(refusal?.errors ?? "")")
        #expect(refusal?.errors.contains("limit on file sizes") == true)
        #expect(try daemon.control("health").output == "SERVING\n")
        #expect(daemon.terminate() == 0)

        let next = try await Daemon(in: folder)
        #expect(try next.control("metrics", "s", "--json").output.contains("\"total\" : \(stored)"))
        #expect(try next.sqlite("PRAGMA integrity_check") == "ok")
        #expect(next.terminate() == 0)
    }

    @Test("60: a start for which a limit on file sizes leaves no room ends with one clear line")
    func noRoom() async throws {
        let first = try await Daemon(in: folder)
        #expect(try first.control("add", "s", "--comment", "first").code == 0)
        #expect(first.terminate() == 0)
        for name in ["f.db-wal", "f.db-shm"] {
            try? FileManager.default.removeItem(atPath: folder.path(name))
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.path("f.db")))

        let program = try limited(kibibytes: 1)
        let outcome = try Programs.run(
            program,
            ["--socket", folder.path("d.sock"), "--store", "sqlite:\(folder.path("f.db"))"]
        )
        #expect(outcome.code == 1)
        // Before it, libmongoc may say that it has no room for its counters.
        let line = outcome.errors.split(separator: "\n").last ?? ""
        #expect(line.hasPrefix("feedbackd: store: \(folder.path("f.db")): "), "\(outcome.errors)")
        #expect(line.contains("limit on file sizes"), "\(outcome.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("f.db"))) == before)
    }
}
