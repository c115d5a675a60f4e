import Foundation
import TestSupport
import Testing

/// Clients in other languages, with libraries from Debian's packages.
@Suite("gRPC clients of other languages", .serialized)
struct GRPCLanguageTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Runs a step that builds a client.
    private func make(_ program: String, _ arguments: [String]) throws {
        let outcome = try Programs.run(program, arguments, environment: ["HOME": folder.path])
        guard outcome.code == 0 else {
            throw Failure("\(program) fails: \(outcome.output)\(outcome.errors)")
        }
    }

    /// Runs a client that calls all methods, checks all fields, and receives an error with its
    /// details.
    private func check(_ program: String, _ arguments: [String] = []) async throws {
        let daemon = try await Daemon(in: folder)
        let outcome = try Programs.run(program, arguments + [daemon.socket])
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(daemon.terminate() == 0)
    }

    @Test("C++") func cpp() async throws {
        try make("/bin/bash", [Programs.source("cpp/build.sh"), folder.path])
        try await check(folder.path("cpp-client"))
    }

    @Test("Go") func go() async throws {
        try make("/bin/bash", [Programs.source("go-grpc/build.sh"), folder.path])
        try await check(folder.path("go-grpc-client"))
    }

    @Test("Ruby") func ruby() async throws {
        try make(
            "/usr/bin/protoc",
            [
                "-I\(Programs.source("../../Proto"))", "--ruby_out=\(folder.path)",
                "--grpc_out=\(folder.path)",
                "--plugin=protoc-gen-grpc=/usr/bin/grpc_ruby_plugin",
                "feedback/v1/feedback.proto", "feedback/v1/session.proto",
                "feedback/v1/value.proto",
            ]
        )
        try await check("/usr/bin/ruby", ["-I", folder.path, Programs.source("ruby/client.rb")])
    }
}
