internal import Foundation
internal import MongoStore
internal import Synchronization
internal import TestSupport

/// One `mongod` on a loopback port, which ends with this process at the latest.
public final class Mongod: Sendable {
    /// The address, in the form `127.0.0.1:PORT`.
    public let address: String
    private let program: String
    private let arguments: [String]
    private let folder: String
    private let process = Mutex<Process?>(nil)

    /// Prepares a member of a replica set, or a standalone server.
    init(
        folder: String,
        replicaSet: String? = "tests",
        oplogMegabytes: Int = 64,
        extraArguments: [String]
    ) throws {
        program = try MongodProgram.path()
        let port = try freePort()
        address = "127.0.0.1:\(port)"
        self.folder = folder
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true
        )
        arguments =
            (replicaSet.map { ["--replSet", $0, "--oplogSize", "\(oplogMegabytes)"] } ?? [])
            + [
                "--bind_ip", "127.0.0.1", "--port", String(port),
                "--dbpath", folder, "--logpath", "\(folder)/log", "--logappend",
                "--wiredTigerCacheSizeGB", "0.25", "--nounixsocket",
                "--setParameter", "enableTestCommands=1",
                "--setParameter", "diagnosticDataCollectionEnabled=false",
            ] + extraArguments
    }

    deinit { kill() }

    /// Starts the server, for the first time or again.
    public func start() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        LeftBehind.add(process: process.processIdentifier)
        self.process.withLock { $0 = process }
    }

    /// Kills the server, as a power failure would end it.
    public func kill() {
        guard let process = process.withLock({ $0.take() }) else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        LeftBehind.remove(process: process.processIdentifier)
    }

    /// Stops the server with SIGSTOP: its connections stay open, but nobody answers on them.
    public func freeze() { signal(SIGSTOP) }

    /// Continues the stopped server.
    public func thaw() { signal(SIGCONT) }

    private func signal(_ number: Int32) {
        process.withLock { process in
            if let process { _ = Foundation.kill(process.processIdentifier, number) }
        }
    }
}

/// The path of the tests' `mongod`.
private enum MongodProgram {
    static func path(file: String = #filePath) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let root = URL(fileURLWithPath: file).appending(path: "../../../..").standardized.path
        let places = folders.map { "\($0)/mongod" } + ["\(root)/.build/mongodb/mongod"]
        guard let path = places.first(where: FileManager.default.isExecutableFile) else {
            throw ServerFailure(
                "there is no mongod on PATH or in .build/mongodb: `make test` gets it"
            )
        }
        return path
    }
}

/// A failure of a server.
struct ServerFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Returns a port on which nobody listens.
func freePort() throws -> UInt16 {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in.loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = address.withSockaddr {
        bind(socket, $0, $1) == 0 && getsockname(socket, $0, &size) == 0
    }
    guard isBound else { throw ServerFailure("no port is free on 127.0.0.1") }
    return UInt16(bigEndian: address.sin_port)
}
