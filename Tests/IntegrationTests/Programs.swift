import Foundation
import TestSupport

/// The programs as they were built beside the tests.
enum Programs {
    /// A program of this package, as built for debugging beside the tests or for release.
    static func path(_ name: String, in configuration: String = "debug") throws -> String {
        // …/debug/NAME.xctest, either the running program itself or an argument of the test runner.
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let bundles = [own] + CommandLine.arguments.filter { $0.hasSuffix(".xctest") }
        for bundle in bundles {
            let program = URL(fileURLWithPath: bundle).deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "\(configuration)/\(name)").path
            if FileManager.default.isExecutableFile(atPath: program) { return program }
        }
        throw Failure("\(name) is not built for \(configuration): `make test` does that")
    }

    /// A file of the repository's Tests/IntegrationTests.
    static func source(_ name: String, file: String = #filePath) -> String {
        URL(fileURLWithPath: file).deletingLastPathComponent().appending(path: name).path
    }

    /// What a program left when it ended.
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
        // libmongoc would leave a file of counters behind each process that is killed, and print a
        // line when it finds one of its own number.
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

/// Something that a program did not do.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
