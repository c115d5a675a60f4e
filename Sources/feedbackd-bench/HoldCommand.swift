internal import ArgumentParser
internal import Foundation

/// The command `hold`.
struct HoldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Make idle connections and hold them until standard input ends.",
        discussion: """
            Each connection makes one call first, so that the server knows it. Prints `ready` then.
            """
    )

    @Option(help: "The server's socket.")
    var socket: String

    @Option(help: "How many connections.")
    var connections: Int

    func run() throws {
        do {
            var held: [CInt] = []
            for _ in 0..<connections { held.append(try Self.connectAndCall(socket)) }
            try FileHandle.standardOutput.write(contentsOf: Data("ready\n".utf8))
            while readLine() != nil {}
            for descriptor in held { close(descriptor) }
        } catch {
            let line = Data("feedbackd-bench: \(error)\n".utf8)
            try? FileHandle.standardError.write(contentsOf: line)
            throw ExitCode.failure
        }
    }

    private static func connectAndCall(_ socket: String) throws -> CInt {
        let descriptor = try UnixSocket.connect(socket)
        var template = RequestTemplate(.health, sessions: .one(""), firstRequest: 0)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
        defer { buffer.deallocate() }
        if let start = buffer.baseAddress { template.writeNext(streamID: 1, to: start) }
        guard write(descriptor, buffer.baseAddress, template.frameBytes) == template.frameBytes
        else { throw BenchError("the connection cannot be written to", errno: errno) }
        guard read(descriptor, buffer.baseAddress, buffer.count) > 0 else {
            throw BenchError("the server closed a connection")
        }
        return descriptor
    }
}
