import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, 84.
@Suite("the bound of lines that peers cause")
struct LogLimiterTests {
    private let lines = Lines()

    private func limiter(_ interval: Duration, level: Logger.Level = .info) -> LogLimiter {
        var logger = Logger(label: "test") { [lines] _ in LineHandler(lines: lines) }
        logger.logLevel = level
        return LogLimiter(logger, interval: interval)
    }

    @Test("84: of each kind the first lines are logged")
    func first() {
        let limiter = limiter(.seconds(3_600))
        for kind in ["a", "b"] {
            for index in 0..<100 {
                let isLogged = limiter.log(.error, kind, "\(kind) \(index)")
                #expect(isLogged == (index < LogLimiter.linesPerIntervalMax))
            }
        }
        let wanted = ["a", "b"].flatMap { kind in
            (0..<LogLimiter.linesPerIntervalMax).map { "error \(kind) \($0)" }
        }
        #expect(lines.all == wanted)
    }

    @Test("84: when the interval is over, a line says how many were left out, and there is room")
    func leftOut() async {
        let limiter = limiter(.milliseconds(200))
        let count = 1_000
        for _ in 0..<count { limiter.log(.warning, "things", "thing") }
        func leftOut() -> Int {
            let suffix = " lines are left out: things"
            return lines.all.reduce(0) { sum, line in
                guard line.hasSuffix(suffix) else { return sum }
                return sum + (Int(line.dropFirst("warning ".count).dropLast(suffix.count)) ?? 0)
            }
        }
        #expect(
            await eventually {
                lines.all.count { $0 == "warning thing" } + leftOut() == count
            }
        )
        #expect(leftOut() > 0)
        #expect(limiter.log(.warning, "things", "thing"))
    }

    @Test func what_is_below_the_level_is_neither_logged_nor_counted() {
        let limiter = limiter(.seconds(3_600), level: .critical)
        for _ in 0..<100 { #expect(!limiter.log(.error, "things", "thing")) }
        #expect(lines.all.isEmpty)
    }
}

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct LineHandler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.add("\(event.level) \(event.message)") }
}
