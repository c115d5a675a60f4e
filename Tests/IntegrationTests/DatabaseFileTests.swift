import Foundation
import TestSupport
import Testing

/// What others do to the database's files while the daemon uses them.
@Suite("the database's files", .serialized)
struct DatabaseFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A way to take the files from under the daemon.
    enum Displacement: CaseIterable {
        case removal
        case removalOfAll
        case replacement
        case removalOfTheFolder

        func happen(in folder: TemporaryFolder) throws {
            let files = FileManager.default
            switch self {
            case .removal: try files.removeItem(atPath: folder.path("data/f.db"))
            case .removalOfAll:
                for name in ["f.db", "f.db-wal", "f.db-shm"] {
                    try files.removeItem(atPath: folder.path("data/\(name)"))
                }
            case .replacement:
                try files.copyItem(
                    atPath: folder.path("data/f.db"),
                    toPath: folder.path("data/copy")
                )
                guard rename(folder.path("data/copy"), folder.path("data/f.db")) == 0 else {
                    throw Failure("rename: \(errno)")
                }
            case .removalOfTheFolder: try files.removeItem(atPath: folder.path("data"))
            }
        }
    }

    private func daemon() async throws -> Daemon {
        try await Daemon(in: folder, ["--store", "sqlite:\(folder.path("data/f.db"))"])
    }

    /// Adds a feedback through a connection that is open; returns the code of the answer, nil if the
    /// daemon has closed the connection.
    private func add(_ connection: RawConnection, _ stream: UInt32) throws -> Int? {
        let call = Wire.call(
            stream: stream,
            "feedback.v1.FeedbackService",
            "AddFeedback",
            Wire.field(1, "s")
        )
        connection.send(call)
        return try connection.receiveFrame().map { Wire.response($0.data).code }
    }

    /// Expects that the daemon says so, takes no more adds and ends.
    private func expectEnd(of daemon: Daemon, _ watch: HealthWatch) async throws {
        let connection = try RawConnection(daemon.socket)
        var stream: UInt32 = 1
        // What is acknowledged until then is lost, which the log says.
        let isRefused = try await eventually {
            stream += 2
            return try add(connection, stream) != 0
        }
        try #require(isRefused)
        #expect(try watch.next() == .notServing)
        let code = try add(connection, stream + 2)
        #expect(code == 14 || code == nil)
        #expect(await eventually { !daemon.process.isRunning })
        #expect(daemon.process.terminationReason == .exit)
        #expect(daemon.process.terminationStatus == 1)
    }

    @Test(
        "56: a database that is removed or replaced stops the daemon",
        arguments: Displacement.allCases
    )
    func displacedDatabase(_ displacement: Displacement) async throws {
        let daemon = try await daemon()
        #expect(try daemon.control("add", "s", "--comment", "first").code == 0)
        let watch = try HealthWatch(daemon)
        #expect(try watch.next() == .serving)
        try displacement.happen(in: folder)
        try await expectEnd(of: daemon, watch)
        let log = try daemon.log()
        let line = try #require(log.split(separator: "\n").first { $0.contains("stops serving") })
        #expect(line.contains(displacement == .replacement ? "replaced" : "removed"), "\(line)")
        #expect(line.contains(folder.path("data/f.db")), "\(line)")
        #expect(line.contains("acknowledged_since_last_seen="), "\(line)")
        #expect(log.split(separator: "\n").last?.hasPrefix("feedbackd: ") == true)
        // A new start has nothing to do with what was removed.
        let next = try await self.daemon()
        #expect(try next.control("add", "s").code == 0)
        #expect(next.terminate() == 0)
    }

    @Test("56: of a log that is removed nothing is lost", arguments: ["f.db-wal", "f.db-shm"])
    func removedLog(_ name: String) async throws {
        let daemon = try await daemon()
        #expect(try daemon.control("add", "s", "--comment", "first").code == 0)
        let watch = try HealthWatch(daemon)
        #expect(try watch.next() == .serving)
        try FileManager.default.removeItem(atPath: folder.path("data/\(name)"))
        #expect(try watch.next() == .notServing)
        #expect(try daemon.control("add", "s", "--timeout", "1").code != 0)
        #expect(await eventually { !daemon.process.isRunning })
        #expect(daemon.process.terminationReason == .exit)
        #expect(daemon.process.terminationStatus == 1)
        #expect(try daemon.log().contains("was removed"))
        #expect(
            try daemon.log().contains("nothing is lost: the database has all that its log held")
        )
        let next = try await self.daemon()
        #expect(try next.control("list", "s").output.contains("  first\n"))
        #expect(try next.control("add", "s").code == 0)
        #expect(next.terminate() == 0)
    }

    @Test("58: daemons that start at once on a new file all serve")
    func racingStarts() async throws {
        for _ in 0..<15 {
            let folder = try TemporaryFolder()
            let starts = try (0..<4).map { index in
                try Programs.start(
                    Programs.path("feedbackd"),
                    [
                        "--socket", folder.path("\(index).sock"),
                        "--store", "sqlite:\(folder.path("f.db"))",
                    ],
                    output: folder.path("\(index).log"),
                    errors: folder.path("\(index).log")
                )
            }
            defer {
                for start in starts where start.isRunning { kill(start.processIdentifier, SIGKILL) }
            }
            for (index, start) in starts.enumerated() {
                let serves = try await eventually {
                    try Programs.text(folder.path("\(index).log")).contains("listening on ")
                        || !start.isRunning
                }
                let log = try Programs.text(folder.path("\(index).log"))
                #expect(serves && start.isRunning, "\(log)")
                let added = try Programs.run(
                    Programs.path("feedbackctl"),
                    ["--socket", folder.path("\(index).sock"), "add", "s"]
                )
                #expect(added.code == 0, "\(added.errors)")
            }
            for start in starts {
                kill(start.processIdentifier, SIGTERM)
                start.waitUntilExit()
                #expect(start.terminationStatus == 0)
            }
        }
    }

    @Test("36: a long read of another process beside writes is reported, and its log cut back")
    func longRead() async throws {
        let daemon = try await Daemon(
            in: folder,
            ["--metrics-listen", "unix:\(folder.path("m.sock"))"]
        )
        #expect(try daemon.control("add", "s").code == 0)
        let reader = try OpenRead(of: folder.path("f.db"))
        let comment = String(repeating: "\u{1F600}", count: 10_000)
        let payload = Wire.field(1, "s") + Wire.field(3, comment)
        let connection = try RawConnection(daemon.socket)
        var count: UInt32 = 0
        while try logBytes() < 70 << 20, count < 5_000 {
            // As many as fit into the socket's buffers, with their answers.
            for index in count..<(count + 3) {
                connection.send(
                    Wire.call(
                        stream: 2 * index + 1,
                        "feedback.v1.FeedbackService",
                        "AddFeedback",
                        payload
                    )
                )
            }
            for _ in 0..<3 {
                let frame = try #require(try connection.receiveFrame())
                let response = Wire.response(frame.data)
                try #require(response.code == 0, "\(response.message)")
            }
            count += 3
        }
        #expect(try logBytes() >= 70 << 20)
        #expect(try await eventually { try daemon.log().contains("the write-ahead log has") })
        #expect(try metric("feedbackd_sqlite_log_bytes") ?? 0 >= Double(64 << 20))

        reader.end()
        #expect(try await eventually { try logBytes() < 5 << 20 })
        #expect(
            try await eventually { try daemon.log().contains("the write-ahead log is short again") }
        )
        #expect(
            try await eventually { try metric("feedbackd_sqlite_log_bytes") ?? 0 < Double(5 << 20) }
        )
        #expect(try daemon.control("add", "s").code == 0)
        let lines = try daemon.log().split(separator: "\n")
        #expect(lines.count { $0.contains("the write-ahead log has") } < 4)
        #expect(daemon.terminate() == 0)
    }

    private func logBytes() throws -> Int {
        let path = folder.path("f.db-wal")
        return try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }

    /// Returns the value of a metric without labels.
    private func metric(_ name: String) throws -> Double? {
        let page = try Programs.run(
            "/usr/bin/curl",
            ["-sS", "--unix-socket", folder.path("m.sock"), "http://localhost/metrics"]
        )
        let line = page.output.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        return line?.split(separator: " ").last.flatMap { Double($0) }
    }
}

/// A transaction of SQLite's shell that reads, and stays open.
private final class OpenRead {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    /// Returns when the transaction has begun.
    init(of path: String) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/sqlite3")
        process.arguments = [path]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let statements = "BEGIN; SELECT count(*) FROM feedback;\n"
        try input.fileHandleForWriting.write(contentsOf: Data(statements.utf8))
        _ = output.fileHandleForReading.availableData
    }

    deinit { end() }

    func end() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}
