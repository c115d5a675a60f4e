import Foundation
import TestSupport

/// The programs as they were built beside the tests.
enum Programs {
    /// A program of this package.
    static func path(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(fileURLWithPath: own).deletingLastPathComponent().appending(path: name)
        if FileManager.default.isExecutableFile(atPath: beside.path) { return beside.path }
        // The test runner is the toolchain's own: then the test bundle tells where the build is.
        for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
            let program = URL(fileURLWithPath: argument).deletingLastPathComponent()
                .appending(path: name)
            if FileManager.default.isExecutableFile(atPath: program.path) { return program.path }
        }
        throw Failure("\(name) is not built beside \(own): run `swift build --build-tests`")
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
        process.environment = inherited.merging(environment) { _, new in new }
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
