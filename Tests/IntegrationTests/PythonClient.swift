import Foundation
import TestSupport

/// A gRPC client in another language: Python programs on the library from PyPI, which
/// `Tests/support/install-python-clients.sh` installs, with modules generated from the .proto
/// files.
enum PythonClient {
    private static let stubs = Result { try generateStubs() }

    private static func generateStubs() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let protos = Programs.source("../../Proto")
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(protos)/feedback/v1")
        let outcome = try Programs.run(
            tool("python"),
            [
                "-m", "grpc_tools.protoc", "-I\(protos)", "--python_out=\(folder.path)",
                "--grpc_python_out=\(folder.path)",
            ] + files.map { "feedback/v1/\($0)" }
        )
        guard outcome.code == 0 else {
            throw Failure("no Python modules are generated: \(outcome.output)\(outcome.errors)")
        }
        return folder
    }

    /// Returns the path of a program of the Python environment.
    static func tool(_ name: String) throws -> String {
        let path = Programs.source("../../.build/venv-grpc/bin/\(name)")
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Failure("\(path) is missing: `make test` installs it")
        }
        return path
    }

    /// Starts a subcommand of the client.
    static func start(
        _ socket: String,
        _ arguments: [String],
        output: String,
        errors: String
    ) throws -> Process {
        let modules = try stubs.get().path
        return try Programs.start(
            tool("python"),
            [Programs.source("python/main.py"), socket] + arguments,
            environment: ["PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"],
            output: output,
            errors: errors
        )
    }

    /// Runs a subcommand to its end without blocking, since the server may be in this process.
    static func run(_ socket: String, _ arguments: [String]) async throws -> Programs.Outcome {
        let folder = try TemporaryFolder()
        let (output, errors) = (folder.path("out"), folder.path("err"))
        let process = try start(socket, arguments, output: output, errors: errors)
        guard await eventually(within: .seconds(60), { !process.isRunning }) else {
            kill(process.processIdentifier, SIGKILL)
            throw Failure("\(arguments) does not end: \(try Programs.text(errors))")
        }
        return Programs.Outcome(
            code: process.terminationStatus,
            output: try Programs.text(output),
            errors: try Programs.text(errors)
        )
    }
}
