import Foundation
import TestSupport
import Testing

@Suite("feedbackctl whose standard streams are closed or full", .serialized)
struct FeedbackctlStreamsTests {
    private static let commands: [[String]] = [
        ["add", "s"], ["list"], ["metrics"], ["metrics", "--group-by", "day"],
        ["metadata", "set", "s", "k=1"], ["metadata", "get", "s"],
        ["metadata", "delete", "s", "k"],
        ["status"], ["destinations"], ["deliveries"], ["health"],
    ]

    private static let texts: [[String]] = [
        ["--help"], ["help", "add"], ["list", "--help"], ["--generate-completion-script", "bash"],
    ]

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [
        (">/dev/full", "No space left on device"), (">&-", "Bad file descriptor"),
        (">&- <&-", "Bad file descriptor"),
    ])
    func output_that_cannot_be_written_is_said_and_ends_with_74(
        _ redirection: String,
        _ reason: String
    ) async throws {
        let daemon = try await Daemon(in: folder)
        for command in Self.commands.flatMap({ [$0, $0 + ["--json"]] }) + Self.texts {
            let outcome = try run(command, redirection, daemon)
            #expect(outcome.code == 74, "\(command)")
            #expect(
                outcome.errors == "feedbackctl: cannot write to standard output: \(reason)\n",
                "\(command)"
            )
        }
        // What the command was to do is done.
        #expect(try daemon.control("list").output.hasSuffix("2 of 2\n"))
    }

    @Test func a_pipe_that_nobody_reads_any_more_is_said_and_ends_with_74() async throws {
        let daemon = try await Daemon(in: folder)
        for command in Self.commands + Self.texts {
            let (output, errors) = (Pipe(), Pipe())
            try output.fileHandleForReading.close()
            let process = Process()
            process.executableURL = URL(fileURLWithPath: try Programs.path("feedbackctl"))
            process.arguments = ["--socket", daemon.socket] + command
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = errors
            try process.run()
            let text = try errors.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            #expect(process.terminationReason == .exit, "\(command)")
            #expect(process.terminationStatus == 74, "\(command)")
            #expect(
                String(decoding: text, as: UTF8.self)
                    == "feedbackctl: cannot write to standard output: Broken pipe\n",
                "\(command)"
            )
        }
    }

    @Test func a_file_at_its_largest_size_is_said_and_ends_with_74() async throws {
        let daemon = try await Daemon(in: folder)
        _ = try daemon.control("add", "s", "--comment", String(repeating: "x", count: 2_000))
        let outcome = try Programs.run(
            "/bin/sh",
            ["-c", "ulimit -f 1; exec \"$@\"", "sh", Programs.path("feedbackctl")]
                + ["--socket", daemon.socket, "list"]
        )
        #expect(outcome.code == 74)
        #expect(outcome.errors.hasSuffix("cannot write to standard output: File too large\n"))
    }

    @Test(arguments: ["2>&-", "2>/dev/full", "2>&- <&-"])
    func errors_that_cannot_be_written_change_no_exit_code(_ redirection: String) async throws {
        let daemon = try await Daemon(in: folder)
        for command in Self.commands {
            let outcome = try run(command, redirection, daemon)
            #expect(outcome.code == 0, "\(command)")
            #expect(!outcome.output.isEmpty, "\(command)")
        }
        #expect(try run(["add", ""], redirection, daemon).code == 1)
        #expect(try run(["add"], redirection, daemon).code == 64)
        #expect(try run(["list"], redirection + " >/dev/full", daemon).code == 74)
        daemon.kill()
        #expect(try run(["list"], redirection, daemon).code == 2)
    }

    @Test func a_socket_never_gets_the_number_of_a_standard_stream() async throws {
        let daemon = try await Daemon(in: folder)
        // It accepts no connection and answers nobody, but the kernel lets the client connect.
        kill(daemon.process.processIdentifier, SIGSTOP)
        let waiting = try Programs.start(
            "/bin/sh",
            arguments(["list"], "<&- >&- 2>&-", daemon),
            output: folder.path("out"),
            errors: folder.path("err")
        )
        defer {
            kill(waiting.processIdentifier, SIGKILL)
            waiting.waitUntilExit()
        }
        // The socket that listens has the path, and so has each that waits to be accepted.
        let isConnected = try await eventually {
            try Programs.text("/proc/net/unix").components(separatedBy: daemon.socket).count == 3
        }
        #expect(isConnected)
        for stream in 0...2 {
            let path = "/proc/\(waiting.processIdentifier)/fd/\(stream)"
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: path)
            #expect(target == "/dev/null")
        }
    }

    private func arguments(
        _ command: [String],
        _ redirection: String,
        _ daemon: Daemon
    ) throws -> [String] {
        ["-c", "exec \"$@\" \(redirection)", "sh", try Programs.path("feedbackctl")]
            + ["--socket", daemon.socket] + command
    }

    private func run(
        _ command: [String],
        _ redirection: String,
        _ daemon: Daemon
    ) throws -> Programs.Outcome {
        try Programs.run("/bin/sh", arguments(command, redirection, daemon))
    }
}
