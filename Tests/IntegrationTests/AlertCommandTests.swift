import Foundation
import TestSupport
import Testing

/// Alerts of the daemon that a command gets, and what surrounds the command.
@Suite("alerts by a command", .serialized)
struct AlertCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Starts the daemon with a hook that runs the script in `/bin/sh`, in which `$0` is the
    /// test's folder.
    private func daemon(
        _ script: String,
        timeout: Int = 60,
        environment: [String: String] = [:],
        program: String? = nil
    ) async throws -> Daemon {
        let yaml = """
            hooks:
              order: [tell]
              tell:
                kind: notification
                on: [down]
                command: [/bin/sh, -c, '\(script)', \(folder.path(""))]
                timeout: \(timeout)
            """
        let path = folder.path("feedbackd.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        return try await Daemon(
            in: folder,
            ["--config", path],
            environment: environment,
            program: program
        )
    }

    private func add(_ count: Int, to daemon: Daemon) throws {
        for _ in 0..<count {
            #expect(try daemon.control("add", "s", "--rating", "down").code == 0)
        }
    }

    private func expectAllDelivered(
        by daemon: Daemon,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let isEmpty = try await eventually { try daemon.hasDeliveredEverything() }
        #expect(isEmpty, sourceLocation: sourceLocation)
    }

    /// Returns the numbers in a file of the folder, one per line.
    private func numbers(_ file: String) throws -> [Int32] {
        try Programs.text(folder.path(file)).split(separator: "\n").compactMap { Int32($0) }
    }

    /// Returns true while the process runs; one that has ended and that nobody has waited for does
    /// not.
    private func isRunning(_ process: Int32) -> Bool {
        guard let status = try? Programs.text("/proc/\(process)/stat") else { return false }
        // The state follows the name, which is in parentheses (proc_pid_stat(5)).
        return status.split(separator: ")").last?.dropFirst().first != "Z"
    }

    @Test func it_inherits_three_descriptors_and_no_mask_and_no_ignored_signal() async throws {
        // The daemon itself begins with ignored signals; with SIGCHLD among them, the kernel would
        // forget how a command ended.
        let program = folder.path("ignoring")
        let wrapper =
            "#!/bin/sh\ntrap '' USR1 CHLD\nexec \(try Programs.path("feedbackd")) \"$@\"\n"
        try Data(wrapper.utf8).write(to: URL(fileURLWithPath: program))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755],
            ofItemAtPath: program
        )
        let script = "(exec ls /proc/self/fd > $0/files); exec cat /proc/self/status > $0/status"
        let daemon = try await daemon(script, program: program)
        try add(1, to: daemon)
        try await expectAllDelivered(by: daemon)
        #expect(try numbers("files") == [0, 1, 2, 3], "3 is the folder that ls reads")
        let status = try Programs.text(folder.path("status")).split(separator: "\n")
        for key in ["SigBlk", "SigIgn"] {
            let line = try #require(status.first { $0.hasPrefix("\(key):") })
            #expect(line.hasSuffix("\t0000000000000000"), "\(line)")
        }
    }

    @Test func a_process_that_it_leaves_behind_holds_nothing_up() async throws {
        let daemon = try await daemon("sleep 600 & echo $! >> $0/left")
        defer { for process in (try? numbers("left")) ?? [] { kill(process, SIGKILL) } }
        try add(3, to: daemon)
        try await expectAllDelivered(by: daemon)
        let left = try numbers("left")
        #expect(left.count == 3)
        #expect(left.allSatisfy(isRunning), "what it left behind in time is its own affair")
        #expect(daemon.terminate() == 0)
    }

    @Test func it_is_killed_at_the_timeout_with_all_that_it_has_started() async throws {
        let script = "test -e $0/started && exit; sleep 600 & echo $! > $0/started; wait"
        let daemon = try await daemon(script, timeout: 1)
        try add(1, to: daemon)
        try await expectAllDelivered(by: daemon)
        let process = try #require(try numbers("started").first)
        let hasEnded = await eventually { !isRunning(process) }
        #expect(hasEnded)
    }

    @Test(arguments: ["/nowhere", "/proc"])
    func it_needs_no_folder_for_temporary_files(_ temporary: String) async throws {
        let daemon = try await daemon("cat > $0/input", environment: ["TMPDIR": temporary])
        try add(1, to: daemon)
        try await expectAllDelivered(by: daemon)
        #expect(try Programs.text(folder.path("input")).contains(#""session_id":"s""#))
    }

    @Test func a_program_that_is_not_there_is_named_as_the_reason() async throws {
        let daemon = try await daemon("exec /nowhere")
        let yaml = "hooks: {order: [tell], tell: {kind: notification, command: [/nowhere]}}"
        let path = folder.path("feedbackd.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        kill(daemon.process.processIdentifier, SIGHUP)
        let isReloaded = try await eventually { try daemon.log().contains("reload") }
        #expect(isReloaded)
        try add(1, to: daemon)
        let isSaid = try await eventually {
            try daemon.control("destinations").output
                .contains("the command cannot be started: No such file or directory")
        }
        #expect(isSaid)
    }
}
