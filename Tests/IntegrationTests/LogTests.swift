import FeedbackClient
import Foundation
import TestSupport
import Testing

/// What stands in the daemon's log, and what becomes of the daemon when nobody can have it.
@Suite("the daemon's log", .serialized)
struct LogTests {
    private static let lostLines = "feedbackd_log_lines_lost_total "

    private let folder: TemporaryFolder
    private var socket: String { folder.path("d.sock") }
    private var page: String { folder.path("m.sock") }

    init() throws { folder = try TemporaryFolder() }

    /// Starts the daemon with redirections of the shell, and returns when it serves.
    private func start(
        _ redirections: String,
        environment: [String: String] = [:]
    ) async throws -> Process {
        let process = try Programs.start(
            "/bin/sh",
            [
                "-c", "exec \"$0\" \"$@\" \(redirections)", try Programs.path("feedbackd"),
                "--socket", socket, "--store", "memory:", "--metrics-listen", "unix:\(page)",
            ],
            environment: environment,
            output: folder.path("out"),
            errors: folder.path("err")
        )
        let hasStarted = try await eventually {
            try !process.isRunning || control("health").output == "SERVING\n"
        }
        if !hasStarted { kill(process.processIdentifier, SIGKILL) }
        let errors = try Programs.text(folder.path("err"))
        try #require(hasStarted && process.isRunning, "\(errors)")
        return process
    }

    private func end(_ process: Process) {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    private func control(_ arguments: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.path("feedbackctl"), ["--socket", socket] + arguments)
    }

    /// Returns the number of lost lines on the page with metrics.
    private func lostCount() throws -> Int? {
        let connection = try RawConnection(page)
        connection.send(Data("GET /metrics HTTP/1.1\r\n\r\n".utf8))
        var text = ""
        while let byte = try connection.receive(1) { text += String(decoding: byte, as: UTF8.self) }
        let line = text.split(separator: "\n").last { $0.hasPrefix(Self.lostLines) }
        return line.flatMap { Int($0.dropFirst(Self.lostLines.count)) }
    }

    @Test(
        "77: without a standard error, or with a full one, it serves and counts what is lost",
        arguments: ["2>&-", "0<&- 1>&- 2>&-", "2>/dev/full"]
    )
    func noLog(_ redirections: String) async throws {
        let daemon = try await start(redirections)
        defer { end(daemon) }
        #expect(try control("add", "s").code == 0)
        // The lines about the two sockets.
        #expect(try await eventually { try lostCount() == 2 })
        for stream in 0...2 where redirections.contains("\(stream)>&-") {
            let link = "/proc/\(daemon.processIdentifier)/fd/\(stream)"
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/null")
        }
        kill(daemon.processIdentifier, SIGTERM)
        #expect(await eventually { !daemon.isRunning })
        try #require(!daemon.isRunning)
        #expect(daemon.terminationStatus == 0)
    }

    /// Starts a daemon whose log goes to a pipe that nobody reads, and makes it log more than both
    /// have room for.
    private func startUnread(adds: Int) async throws -> (daemon: Process, pipe: Int32) {
        let pipe = folder.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        // Opened for both, it has a reader, which does not wait.
        let descriptor = open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        let daemon = try await start(
            "2>\(pipe)",
            environment: [
                "FEEDBACKD_HOOKS_ORDER": "audit", "FEEDBACKD_HOOKS_AUDIT_KIND": "audit",
                "FEEDBACKD_HOOKS_AUDIT_LOG": "true",
            ]
        )
        do {
            let client = try FeedbackClient(socket: socket)
            defer { client.close() }
            for _ in 0..<adds {
                try await client.addFeedback(sessionID: "s", timeout: .seconds(20))
            }
            #expect(try #require(try lostCount()) > 0)
        } catch {
            end(daemon)
            throw error
        }
        return (daemon, descriptor)
    }

    @Test("77: a log that nobody reads holds up neither a call nor the end")
    func unreadLog() async throws {
        let (daemon, pipe) = try await startUnread(adds: 4_000)
        defer {
            end(daemon)
            close(pipe)
        }
        kill(daemon.processIdentifier, SIGTERM)
        #expect(await eventually { !daemon.isRunning })
        try #require(!daemon.isRunning)
        #expect(daemon.terminationStatus == 0)
    }

    @Test("77: a log that is read again says how many lines it lacks, and where")
    func readAgain() async throws {
        let adds = 4_000
        let (daemon, pipe) = try await startUnread(adds: adds)
        defer {
            end(daemon)
            close(pipe)
        }
        var log = Data()
        func lost() -> Int? {
            let line = String(decoding: log, as: UTF8.self).split(separator: "\n").last {
                $0.hasSuffix(" lines of the log are lost here")
            }
            return line.flatMap { Int($0.split(separator: " ")[1]) }
        }
        #expect(
            await eventually {
                var buffer = [UInt8](repeating: 0, count: 65_536)
                let count = read(pipe, &buffer, buffer.count)
                if count > 0 { log += buffer[..<count] }
                return count <= 0 && lost() != nil
            }
        )
        let audited = String(decoding: log, as: UTF8.self).split(separator: "\n").filter {
            $0.contains(" [FeedbackHooks] feedback before") || $0.contains(" feedback after")
        }
        #expect(audited.count + (lost() ?? 0) == 2 * adds)
        #expect(try lostCount() == lost())
        // The lost lines are the last ones so far.
        #expect(String(decoding: log, as: UTF8.self).hasSuffix(" lines of the log are lost here\n"))
    }

    @Test(
        "84: of a flood of payloads that cannot be decoded few lines stand in the log, and their number"
    )
    func undecodable() async throws {
        let daemon = try await Daemon(in: folder)
        let connection = try RawConnection(daemon.socket)
        let calls = 5_000
        for begin in stride(from: 0, to: calls, by: 100) {
            var frames = Data()
            for index in begin..<begin + 100 {
                frames += Wire.call(
                    stream: UInt32(2 * index + 1),
                    "feedback.v1.FeedbackService",
                    "AddFeedback",
                    Data([0xFF, 0xFF])
                )
            }
            connection.send(frames)
            for _ in 0..<100 {
                #expect(Wire.response(try connection.receiveFrame()?.data ?? Data()).code == 13)
            }
        }
        func lines(_ text: String) throws -> [Substring] {
            try daemon.log().split(separator: "\n").filter { $0.contains(text) }
        }
        let kind = " lines are left out: calls that failed with INTERNAL"
        func leftOut() throws -> Int {
            try lines(kind).reduce(0) { sum, line in
                sum + (Int(line.replacing(kind, with: "").split(separator: " ").last ?? "") ?? 0)
            }
        }
        // A line says so when ten seconds are over.
        #expect(
            try await eventually {
                try lines("a call failed").count + leftOut() == calls
            }
        )
        #expect(try lines("a call failed").count < 100)
        #expect(daemon.terminate() == 0)
    }
}
