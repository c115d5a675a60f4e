import Foundation
import TestSupport
import Testing

@testable import feedbackd

/// `docs/RELIABILITY.md`, 77.
@Suite("the writer of the log")
struct LogWriterTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func text() throws -> String {
        String(
            decoding: try Data(contentsOf: URL(fileURLWithPath: folder.path("log"))),
            as: UTF8.self
        )
    }

    @Test("77: lines come in their order, each whole")
    func order() throws {
        let file = open(folder.path("log"), O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        defer { close(file) }
        let log = LogWriter(file)
        let lines = (0..<1_000).map { "line \($0)\n" }
        for line in lines { log.write(line) }
        log.drain()
        #expect(try text() == lines.joined())
    }

    @Test("77: once there is room again, a line says how many were lost")
    func fullDisk() throws {
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        let file = open(folder.path("log"), O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        defer {
            close(full)
            close(file)
        }
        let log = LogWriter(full)
        for index in 0..<3 { log.write("lost \(index)\n") }
        log.drain()
        // The disk has room again.
        #expect(dup2(file, full) == full)
        log.write("there\n")
        log.drain()
        #expect(try text() == "feedbackd: 3 lines of the log are lost here\nthere\n")
    }

    @Test("77: with a full queue lines are lost, and none of those that wait")
    func fullQueue() async throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (reader, writer) = (ends[0], ends[1])
        let log = LogWriter(writer)
        let line = String(repeating: "x", count: 1_023) + "\n"
        let count = 2 * LogWriter.queueBytesMax / line.utf8.count
        for _ in 0..<count { log.write(line) }
        log.write("behind\n")
        let reading = Task.detached {
            FileHandle(fileDescriptor: reader, closeOnDealloc: true).readDataToEndOfFile()
        }
        #expect(await eventually { log.drain() })
        close(writer)
        let text = String(decoding: await reading.value, as: UTF8.self)
        let lines = text.split(separator: "\n")
        let whole = lines.count { $0 == line.dropLast() }
        let lost = lines.filter { $0.hasSuffix(" lines of the log are lost here") }.reduce(0) {
            $0 + (Int($1.split(separator: " ")[1]) ?? 0)
        }
        #expect(lost > 0)
        #expect(whole + lost + lines.count { $0 == "behind" } == count + 1)
        #expect(whole * line.utf8.count >= LogWriter.queueBytesMax)
    }
}
