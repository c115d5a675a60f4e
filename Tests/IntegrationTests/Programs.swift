import Foundation
import TestSupport

/// The programs that were built together with the tests.
enum Programs {
    /// Returns the path of a program of this package, of the debug build beside the tests or of the
    /// release build.
    static func path(_ name: String, in configuration: String = "debug") throws -> String {
        // The path is …/debug/NAME.xctest, either of the running program itself or of an argument
        // of the test runner.
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let bundles = [own] + CommandLine.arguments.filter { $0.hasSuffix(".xctest") }
        for bundle in bundles {
            let program = URL(fileURLWithPath: bundle).deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "\(configuration)/\(name)").path
            if FileManager.default.isExecutableFile(atPath: program) { return program }
        }
        throw Failure("\(name) is not built for \(configuration): `make test` does that")
    }

    /// Returns the path of a file in the repository's Tests/IntegrationTests.
    static func source(_ name: String, file: String = #filePath) -> String {
        URL(fileURLWithPath: file).deletingLastPathComponent().appending(path: name).path
    }

    /// The exit code and the output of a program.
    struct Outcome {
        var code: Int32
        var output: String
        var errors: String
    }

    /// Runs a program to its end.
    @discardableResult
    static func run(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:]
    ) throws -> Outcome {
        let folder = try TemporaryFolder()
        let process = try start(
            path,
            arguments,
            environment: environment,
            output: folder.path("out"),
            errors: folder.path("err")
        )
        process.waitUntilExit()
        return Outcome(
            code: process.terminationStatus,
            output: try text(folder.path("out")),
            errors: try text(folder.path("err"))
        )
    }

    /// Starts a program whose output goes to files.
    static func start(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        output: String,
        errors: String
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let inherited = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("FEEDBACKD_") }
        // libmongoc would leave a file of counters behind for each killed process, and print a line
        // if it finds one with its own process id.
        process.environment = inherited.merging(["MONGOC_DISABLE_SHM": "1"]) { _, new in new }
            .merging(environment) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try appending(output)
        process.standardError = try appending(errors)
        try process.run()
        return process
    }

    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }

    private static func appending(_ path: String) throws -> FileHandle {
        if !FileManager.default.fileExists(atPath: path) {
            try Data().write(to: URL(fileURLWithPath: path))
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.seekToEnd()
        return handle
    }
}

/// A failure of a program.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
