import Foundation
import TestSupport
import Testing

/// The example of a daemon with hooks of its own, in docs/HOOKS.md.
@Suite("a daemon of one's own")
struct OwnDaemonTests {
    private static let source = "../Examples/OwnDaemon/main.swift"

    @Test("docs/HOOKS.md shows the program that is tested here, of less than 30 lines")
    func documentation() throws {
        let code = try Programs.text(Programs.source(Self.source))
        #expect(code.count { $0 == "\n" } < 30)
        let page = try Programs.text(Programs.source("../../docs/HOOKS.md"))
        #expect(page.contains("```swift\n\(code)```\n"))
    }

    @Test("its hooks act: a type, a closure, and one from the box")
    func hooks() async throws {
        let folder = try TemporaryFolder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try Programs.path("OwnDaemon"))
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        defer {
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
        }
        func control(_ arguments: String...) throws -> Programs.Outcome {
            try Programs.run(
                Programs.path("feedbackctl"),
                ["--socket", folder.path("feedbackd.sock")] + arguments
            )
        }
        try #require(try await eventually { try control("health").code == 0 })
        let shouted = try control("add", "s", "--comment", "BAD!!!")
        #expect(shouted.code == 1)
        #expect(shouted.errors.contains("comment: must not shout"))
        #expect(try control("add", "s", "--rating", "up", "--comment", " Good! ").code == 0)
        #expect(try control("list", "s", "--json").output.contains("\"Good!\""))
        kill(process.processIdentifier, SIGTERM)
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(),
            as: UTF8.self
        )
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(text == "stored up for s\n")
    }
}
