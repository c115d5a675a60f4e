import Foundation
import TestSupport
import Testing

/// The daemon as the first process of a container, here of a namespace of its own.
@Suite("the daemon as process 1", .serialized)
struct InitProcessTests {
    private let folder: TemporaryFolder
    private var socket: String { folder.path("d.sock") }

    init() throws { folder = try TemporaryFolder() }

    /// Returns the children of a process with their states, as `/proc/PID/stat` has them
    /// (proc_pid_stat(5)).
    private func children(of parent: Int32) throws -> [Int32: Substring] {
        var children: [Int32: Substring] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            // The name, which is in parentheses, may contain anything.
            guard let id = Int32(name), let text = try? Programs.text("/proc/\(id)/stat"),
                let fields = text.split(separator: ")").last?.split(separator: " "),
                fields.count > 1, fields[1] == "\(parent)"
            else { continue }
            children[id] = fields[0]
        }
        return children
    }

    /// Starts the daemon in a PID namespace; returns unshare's process, and the id of process 1.
    private func start(_ environment: [String: String] = [:]) async throws -> (Process, Int32) {
        let user = geteuid() == 0 ? [] : ["--user", "--map-root-user"]
        let process = try Programs.start(
            "/usr/bin/unshare",
            user + ["--pid", "--fork", "--kill-child", "--mount-proc"]
                + [try Programs.path("feedbackd"), "--socket", socket, "--store", "memory:"],
            environment: environment,
            output: folder.path("log"),
            errors: folder.path("log")
        )
        let hasStarted = try await eventually {
            try !process.isRunning || Programs.text(folder.path("log")).contains("listening on ")
        }
        let log = try Programs.text(folder.path("log"))
        try #require(hasStarted && process.isRunning, "\(log)")
        return (process, try #require(try children(of: process.processIdentifier).keys.first))
    }

    private func end(_ process: Process) {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    @Test("80: orphans of a hook's command leave no zombie, and SIGTERM ends it with 0")
    func orphans() async throws {
        let command = folder.path("command")
        let ended = folder.path("ended")
        let script = "#!/bin/sh\n(sh -c 'sleep 0.1; echo ended >> \(ended)' &)\n"
        try Data(script.utf8).write(to: URL(fileURLWithPath: command))
        chmod(command, 0o700)
        let (process, first) = try await start([
            "FEEDBACKD_HOOKS_ORDER": "tell", "FEEDBACKD_HOOKS_TELL_KIND": "notification",
            "FEEDBACKD_HOOKS_TELL_ON": "down", "FEEDBACKD_HOOKS_TELL_COMMAND": command,
        ])
        defer { end(process) }
        let added = try Programs.run(
            Programs.path("feedbackctl"),
            ["--socket", socket, "add", "s", "--rating", "down"]
        )
        #expect(added.code == 0)
        #expect(await eventually { FileManager.default.fileExists(atPath: ended) })
        #expect(
            try await eventually {
                let tree = try children(of: first)
                let below = try tree.keys.flatMap { try children(of: $0).values }
                return tree.count <= 1 && !(tree.values + below).contains("Z")
            }
        )
        kill(first, SIGTERM)
        #expect(await eventually { !process.isRunning })
        try #require(!process.isRunning)
        #expect(process.terminationStatus == 0)
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    @Test("80: if the daemon is killed, the exit code says so")
    func killed() async throws {
        let (process, first) = try await start()
        defer { end(process) }
        let daemon = try #require(try children(of: first).keys.first)
        kill(daemon, SIGKILL)
        #expect(await eventually { !process.isRunning })
        try #require(!process.isRunning)
        #expect(process.terminationStatus == 128 + SIGKILL)
    }
}
