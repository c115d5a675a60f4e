import Foundation
import TestSupport

/// A running feedbackd with a socket and a database in a folder.
final class Daemon {
    let process: Process
    let socket: String
    private let folder: TemporaryFolder
    private let logPath: String

    /// Starts the daemon and returns when it listens.
    ///
    /// - Throws: a ``Failure`` with its standard error if it ends instead.
    init(
        in folder: TemporaryFolder,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        program: String? = nil
    ) async throws {
        self.folder = folder
        socket = folder.path("d.sock")
        let log = folder.path("daemon-\(UInt64.random(in: 0 ... .max)).log")
        logPath = log
        process = try Programs.start(
            program ?? Programs.path("feedbackd"),
            ["--socket", socket, "--store", "sqlite:\(folder.path("f.db"))"] + arguments,
            environment: environment,
            output: log,
            errors: log
        )
        let process = self.process
        let isReady = try await eventually {
            try Programs.text(log).contains("feedbackd: listening on ") || !process.isRunning
        }
        guard isReady, process.isRunning else {
            throw Failure("feedbackd did not start: \(try Programs.text(log))")
        }
    }

    deinit { kill() }

    /// Kills the daemon, as a crash would end it.
    func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    /// Sends the signal and returns the daemon's exit code.
    func terminate(_ signal: Int32 = SIGTERM) -> Int32 {
        Foundation.kill(process.processIdentifier, signal)
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Returns the daemon's standard error so far.
    func log() throws -> String { try Programs.text(logPath) }

    /// Runs feedbackctl with the daemon's socket.
    func control(_ arguments: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.path("feedbackctl"), ["--socket", socket] + arguments)
    }

    /// Returns true if there are destinations and nothing waits for any of them, neither for its
    /// first attempt nor for another one.
    func hasDeliveredEverything() throws -> Bool {
        struct List: Decodable {
            struct Destination: Decodable {
                let behindChanges: Int64
                let retrying: Int64
            }
            let destinations: [Destination]
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let json = Data(try control("destinations", "--json").output.utf8)
        let destinations = try decoder.decode(List.self, from: json).destinations
        return !destinations.isEmpty
            && destinations.allSatisfy { $0.behindChanges == 0 && $0.retrying == 0 }
    }

    /// Runs a command of SQLite's shell on the database.
    func sqlite(_ command: String) throws -> String {
        let outcome = try Programs.run("/usr/bin/sqlite3", [folder.path("f.db"), command])
        guard outcome.code == 0 else { throw Failure("sqlite3: \(outcome.errors)") }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Returns the number of feedbacks with the rating `down` that a cursor has not passed, and of
    /// deliveries that wait, all cursors together.
    func undeliveredCount() throws -> Int {
        let count = try sqlite(
            """
            SELECT (SELECT count(*) FROM delivery WHERE state = 1)
                + (SELECT count(*) FROM feedback JOIN cursor ON sequence > position
                    WHERE rating = 2)
            """
        )
        guard let count = Int(count) else { throw Failure("sqlite3: \(count)") }
        return count
    }

    /// Returns a value of `/proc/PID/status`, a count or a size in KiB.
    func status(_ key: String) throws -> Int {
        let text = try Programs.text("/proc/\(process.processIdentifier)/status")
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(key):") } ?? ""
        return Int(line.filter(\.isNumber)) ?? 0
    }

    /// Returns the number of open descriptors of the daemon.
    func descriptorCount() throws -> Int {
        let folder = "/proc/\(process.processIdentifier)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).count
    }
}

/// A watch of the daemon's health (grpc.health.v1).
struct HealthWatch {
    enum Status: UInt8 {
        case serving = 1
        case notServing = 2
    }

    private let connection: RawConnection

    init(_ daemon: Daemon) throws {
        connection = try RawConnection(daemon.socket)
        let request = Wire.request("grpc.health.v1.Health", "Watch", Data())
        connection.send(Wire.frame(stream: 1, flags: 1, request))
    }

    /// Returns the next status, which is sent when it has changed.
    func next() throws -> Status? {
        let frame = try connection.receiveFrame()
        let status = Wire.fields(frame?.data ?? Data()).first { $0.number == 1 }
        return status?.content.first.flatMap(Status.init)
    }
}

/// A client in another language: a Go program on Debian's ttrpc library, built from the .proto
/// files.
enum GoClient {
    private static let built = Result { try build() }

    private static func build() throws -> (folder: TemporaryFolder, program: String) {
        let folder = try TemporaryFolder()
        let outcome = try Programs.run(
            "/bin/bash",
            [Programs.source("go/build.sh"), folder.path],
            environment: ["HOME": folder.path]
        )
        guard outcome.code == 0 else {
            throw Failure("the Go client cannot be built: \(outcome.output)\(outcome.errors)")
        }
        return (folder, folder.path("foreign-client"))
    }

    static func program() throws -> String { try built.get().program }

    /// Runs a subcommand of the program.
    static func run(_ daemon: Daemon, _ arguments: String...) throws -> Programs.Outcome {
        try Programs.run(try program(), [daemon.socket] + arguments)
    }
}
