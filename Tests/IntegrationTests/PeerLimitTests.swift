import Foundation
import TestSupport
import Testing

/// `docs/RELIABILITY.md`, "Process" and "Peers": what callers can take from a real daemon and from
/// its other callers.
@Suite("callers and what they can take", .serialized)
struct PeerLimitTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    // MARK: - Descriptors

    /// Starts a daemon with a limit of descriptors, as `ulimit` sets it.
    private func daemon(ulimit: String) async throws -> Daemon {
        let program = folder.path("limited")
        let script = """
            #!/bin/sh
            ulimit \(ulimit) || exit 2
            exec '\(try Programs.path("feedbackd"))' "$@"
            """
        try Data(script.utf8).write(to: URL(fileURLWithPath: program))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        return try await Daemon(in: folder, program: program)
    }

    /// Makes connections that have each made a call, and then stay.
    private func idle(_ count: Int, _ daemon: Daemon) throws -> [RawConnection] {
        // The test process may be limited in the same way.
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        getrlimit(kind, &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(kind, &limit)
        return try (0..<count).map { _ in
            let connection = try RawConnection(daemon.socket)
            connection.send(Wire.call(stream: 1, "grpc.health.v1.Health", "Check", Data()))
            return connection
        }
    }

    private func code(_ connection: RawConnection) throws -> Int? {
        try connection.receiveFrame().map { Wire.response($0.data).code }
    }

    private func list(_ connection: RawConnection) throws -> Int? {
        let payload = Wire.field(1, "s")
        connection.send(
            Wire.call(stream: 3, "feedback.v1.FeedbackService", "ListFeedbacks", payload)
        )
        return try code(connection)
    }

    @Test("81: the soft limit of descriptors is raised, so that it refuses nobody")
    func softLimit() async throws {
        let daemon = try await daemon(ulimit: "-Sn 256")
        #expect(try daemon.control("add", "s").code == 0)
        let idle = try idle(1_100, daemon)
        for connection in idle { #expect(try code(connection) == 0) }
        #expect(try daemon.control("list", "s").code == 0)
        #expect(try list(idle[1_099]) == 0)
        #expect(try !daemon.log().contains("refused a connection"))
        #expect(daemon.terminate() == 0)
    }

    @Test(
        "16, 81: beyond the hard limit there is an answer, and those that are served notice nothing"
    )
    func hardLimit() async throws {
        let daemon = try await daemon(ulimit: "-n 512")
        #expect(try daemon.log().contains("512 open files"))
        #expect(try daemon.control("add", "s").code == 0)
        do {
            let idle = try idle(1_100, daemon)
            #expect(try code(idle[0]) == 0)
            // The readers of the store were opened before the connections.
            for _ in 0..<8 { #expect(try list(idle[0]) == 0) }
            let refused = try daemon.control("list", "s")
            #expect(refused.code != 0)
            #expect(refused.errors.contains("connections"), "\(refused.errors)")
            #expect(try daemon.control("add", "s").errors.contains("connections"))
            let lines = try daemon.log().split(separator: "\n")
            #expect(lines.count { $0.contains("refused a connection") } <= 10)
            #expect(!lines.contains { $0.contains("cannot accept connections") })
        }
        #expect(await eventually { (try? daemon.control("list", "s").code) == 0 })
        #expect(daemon.terminate() == 0)
    }

    @Test("81: too few descriptors for any connection are a clear error at the start")
    func tooFewDescriptors() async throws {
        let failure = await #expect(throws: Failure.self) {
            _ = try await daemon(ulimit: "-n 24")
        }
        #expect(failure?.description.contains("feedbackd: ") == true)
        #expect(failure?.description.contains("Fatal") == false)
    }

    // MARK: - Memory

    @Test("82: 400 unfinished frames of 4 MiB take what one user may have, and it comes back")
    func unfinishedFrames() async throws {
        let daemon = try await Daemon(in: folder)
        #expect(try daemon.control("add", "s").code == 0)
        let before = try daemon.status("RssAnon")
        let frame = Wire.frame(stream: 1, length: 4 << 20, Data(count: (4 << 20) - 1))
        do {
            var unfinished: [RawConnection] = []
            for _ in 0..<400 {
                let connection = try RawConnection(daemon.socket)
                #expect(connection.send(frame) == frame.count)
                unfinished.append(connection)
            }
            let last = try #require(unfinished.last)
            #expect(try code(last) == 8)
            #expect(try daemon.control("list", "s").code == 0)
            #expect(try daemon.control("add", "s", "--comment", "small").code == 0)
            #expect(try daemon.status("VmHWM") < 300 << 10)
        }
        #expect(
            try await eventually(within: .seconds(60)) {
                try daemon.status("RssAnon") < before + (16 << 10)
            }
        )
        #expect(daemon.terminate() == 0)
    }

    @Test("82: large adds that wait for the store take what one user may have, and it comes back")
    func waitingAdds() async throws {
        let daemon = try await Daemon(in: folder)
        #expect(try daemon.control("add", "s").code == 0)
        let before = try daemon.status("RssAnon")
        let lock = Pipe()
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/usr/bin/sqlite3")
        shell.arguments = [folder.path("f.db")]
        shell.standardInput = lock
        let answer = Pipe()
        shell.standardOutput = answer
        try shell.run()
        lock.fileHandleForWriting.write(Data("BEGIN IMMEDIATE; SELECT 'locked';\n".utf8))
        #expect(answer.fileHandleForReading.availableData.count > 0)
        let comment = String(repeating: "\u{1F600}", count: 10_000)
        let payload = Wire.field(1, "s") + Wire.field(3, comment)
        var calls = Data()
        for stream in 0..<100 as Range<UInt32> {
            calls += Wire.call(
                stream: 2 * stream + 1,
                "feedback.v1.FeedbackService",
                "AddFeedback",
                payload
            )
        }
        var codes: [Int: Int] = [:]
        do {
            var connections: [RawConnection] = []
            for _ in 0..<100 {
                let connection = try RawConnection(daemon.socket)
                connection.send(calls)
                connections.append(connection)
            }
            #expect(try daemon.status("VmHWM") < 400 << 10)
            try lock.fileHandleForWriting.close()
            shell.waitUntilExit()
            for connection in connections {
                for _ in 0..<100 { codes[try code(connection) ?? -1, default: 0] += 1 }
            }
        }
        // Some were stored, or ended with the store's own timeout; the others were refused.
        #expect(Set(codes.keys).isSubset(of: [0, 8, 14]), "\(codes)")
        #expect(codes[8, default: 0] > 0)
        #expect(
            try await eventually(within: .seconds(60)) {
                try daemon.status("RssAnon") < before + (16 << 10)
            }
        )
        #expect(try daemon.control("add", "s").code == 0)
        #expect(daemon.terminate() == 0)
    }
}
