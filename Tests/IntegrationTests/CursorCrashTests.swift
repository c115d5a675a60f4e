import FeedbackClient
import Foundation
import Synchronization
import TestSupport
import Testing

/// Kills of the daemon under load, with three destinations of different speed.
@Suite("cursors and kills", .serialized)
struct CursorCrashTests {
    /// The age up to which what was delivered before a kill may be delivered again, in seconds.
    private static let repeatedAgeMax = 1.0
    /// The seconds beyond that for a machine with more to do than processors: progress is recorded
    /// by a commit, which waits for the disk and for its turn among the adds' commits.
    private static let slack = 0.5
    /// The number of callers, each with one add at a time.
    private static let callers = 32
    /// The pause of a caller between two adds, so that no more than 640 begin in a second and whole
    /// seconds pass between most kills.
    private static let pause = Duration.milliseconds(50)
    /// The highest number of adds that are acknowledged between two kills.
    private static let acknowledgedMax = 1_600

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A delivery to a destination, as its receiver noted it.
    private struct Delivery {
        /// The number of kills before the start of the daemon that made the delivery.
        let round: Int
        /// The time of the delivery, in seconds since the host's start.
        let uptime: Double
        let body: String
    }

    private final class Load: Sendable {
        /// The feedback that was acknowledged, by its text in a delivery.
        let acknowledged = Mutex(Set<String>())
        let isUnderWay = Atomic(true)
    }

    /// The clock of all times here: the only one that a shell reads without a further process.
    private func uptime() throws -> Double {
        let text = try Programs.text("/proc/uptime")
        return try #require(text.split(separator: " ").first.flatMap { Double($0) })
    }

    /// Starts the daemon with a webhook, one that is slow to answer, and a command; each delivery
    /// carries the number of the round.
    private func startDaemon(
        round: Int,
        _ fast: WebhookReceiver,
        _ slow: WebhookReceiver
    ) async throws -> Daemon {
        let read = "read -r up idle < /proc/uptime; read -r body || true"
        let write = #"printf "%s %s %s\n" "$1" "$up" "$body" >> "$0""#
        let yaml = """
            hooks:
              order: [fast, slow, command]
              fast:
                {kind: notification, webhook_url: "\(fast.url)/\(round)",
                 body: "{feedback_id} {comment}", concurrency: 8}
              slow:
                {kind: notification, webhook_url: "\(slow.url)/\(round)",
                 body: "{feedback_id} {comment}", concurrency: 16}
              command:
                {kind: notification, body: "{feedback_id} {comment}", concurrency: 4,
                 command: [/bin/sh, -c, '\(read); \(write)', '\(folder.path("told"))',
                           '\(round)']}
            """
        let path = folder.path("feedbackd.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        return try await Daemon(in: folder, ["--config", path])
    }

    /// Adds feedback until the body returns, and returns all of it by its text in a delivery.
    ///
    /// Each call is repeated with its request_id until it is acknowledged.
    private func load(
        _ body: (_ acknowledgedCount: () -> Int) async throws -> Void
    ) async throws -> Set<String> {
        var options = FeedbackClient.Options()
        options.timeout = .seconds(60)
        options.attemptsMax = 10_000
        options.backoff = .milliseconds(5)
        options.backoffMax = .milliseconds(20)
        let client = try FeedbackClient(socket: folder.path("d.sock"), options: options)
        defer { client.close() }
        let load = Load()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<Self.callers {
                group.addTask {
                    var number = 0
                    while load.isUnderWay.load(ordering: .relaxed) {
                        number += 1
                        let call = "\(caller) \(number)"
                        let draft = FeedbackDraft(
                            sessionID: "s\(caller % 4)",
                            rating: .down,
                            comment: call,
                            requestID: call
                        )
                        let id = try #require(try await client.addFeedback(draft).feedback.id)
                        _ = load.acknowledged.withLock { $0.insert("\(id) \(call)") }
                        try await Task.sleep(for: Self.pause)
                    }
                }
            }
            defer { load.isUnderWay.store(false, ordering: .relaxed) }
            try await body { load.acknowledged.withLock { $0.count } }
        }
        return load.acknowledged.withLock { $0 }
    }

    private func deliveries(to receiver: WebhookReceiver) throws -> [Delivery] {
        try receiver.requests().map { request in
            let round = try #require(request.path.split(separator: "/").last.flatMap { Int($0) })
            return Delivery(round: round, uptime: request.uptime, body: request.body)
        }
    }

    private func deliveriesToCommand() throws -> [Delivery] {
        try Programs.text(folder.path("told")).split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 2)
            try #require(parts.count == 3)
            return Delivery(
                round: try #require(Int(parts[0])),
                uptime: try #require(Double(parts[1])),
                body: String(parts[2])
            )
        }
    }

    /// Expects all feedback to be delivered and nothing else, and more than once only what was
    /// delivered in the last second before a kill.
    private func expect(
        _ deliveries: [Delivery],
        tell stored: Set<String>,
        kills: [Double],
        _ comment: Comment
    ) {
        let deliveries = Dictionary(grouping: deliveries, by: \.body)
        #expect(stored.subtracting(deliveries.keys).sorted().prefix(5) == [], comment)
        #expect(Set(deliveries.keys).subtracting(stored).sorted().prefix(5) == [], comment)
        var repeated = 0
        var wrong: [String] = []
        for (body, ofOne) in deliveries {
            let inOrder = ofOne.sorted { $0.round < $1.round }
            for (former, next) in zip(inOrder, inOrder.dropFirst()) {
                repeated += 1
                if former.round == next.round {
                    wrong.append("\(body): repeated without a kill in round \(next.round)")
                    continue
                }
                let age = kills[former.round] - former.uptime
                if age > Self.repeatedAgeMax + Self.slack {
                    wrong.append("\(body): delivered \(age) s before kill \(former.round)")
                }
            }
        }
        #expect(wrong.sorted().prefix(5) == [], comment)
        // Otherwise the kills have met no delivery whose progress was not recorded.
        #expect(repeated > 0, comment)
    }

    /// The variable `FEEDBACKD_CURSOR_ROUNDS` sets the number of kills, and
    /// `FEEDBACKD_CURSOR_SEED` the seed of their moments.
    @Test("SIGKILL under load: all is delivered, and only the last second before a kill twice")
    func kills() async throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = try #require(Int(environment["FEEDBACKD_CURSOR_ROUNDS"] ?? "8"))
        let seed =
            environment["FEEDBACKD_CURSOR_SEED"].flatMap { UInt64($0) }
            ?? .random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let fast = try await WebhookReceiver()
        let slow = try await WebhookReceiver(answer: "late")
        // A destination follows the log from where it is when its cursor is made, which is a moment
        // after the daemon's first start.
        let first = try await startDaemon(round: 0, fast, slow)
        #expect(try await eventually { try first.hasDeliveredEverything() })
        first.kill()
        var kills: [Double] = []
        var last: Daemon?
        let acknowledged = try await load { acknowledgedCount in
            for round in 0..<rounds {
                let daemon = try await startDaemon(round: round, fast, slow)
                let wanted =
                    acknowledgedCount() + Int.random(in: 0...Self.acknowledgedMax, using: &random)
                #expect(
                    await eventually(within: .seconds(60)) { acknowledgedCount() >= wanted },
                    "seed \(seed)"
                )
                kills.append(try uptime())
                daemon.kill()
            }
            last = try await startDaemon(round: rounds, fast, slow)
        }
        let daemon = try #require(last)
        let isDone = try await eventually(within: .seconds(120)) {
            try daemon.hasDeliveredEverything()
        }
        #expect(isDone)
        #expect(daemon.terminate() == 0)
        #expect(try daemon.sqlite("PRAGMA integrity_check") == "ok")
        #expect(try daemon.sqlite("SELECT count(*) FROM feedback") == "\(acknowledged.count)")
        expect(try deliveries(to: fast), tell: acknowledged, kills: kills, "fast, seed \(seed)")
        expect(try deliveries(to: slow), tell: acknowledged, kills: kills, "slow, seed \(seed)")
        expect(try deliveriesToCommand(), tell: acknowledged, kills: kills, "command, seed \(seed)")
    }

    /// The variable `FEEDBACKD_CURSOR_CHANGES` sets the number of changes.
    @Test("a cursor that starts far behind takes little memory, and misses nothing")
    func farBehind() async throws {
        let variable = ProcessInfo.processInfo.environment["FEEDBACKD_CURSOR_CHANGES"]
        let count = try #require(Int(variable ?? "100000"))
        let first = try await Daemon(in: folder)
        #expect(first.terminate() == 0)
        // As if that many had been added, the last of which alone meets the rule of the second.
        _ = try first.sqlite(
            """
            INSERT INTO session (id, session_id) VALUES (1, 'a');
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
            INSERT INTO feedback (sequence, session, feedback_id, rating, comment, created_at)
            SELECT i, 1, randomblob(16), iif(i % 1000 = 0, 2, 1), 'comment ' || i, 1705935600000
            FROM n;
            INSERT INTO session_total SELECT s, 0, 0, 0, sum(rating = 1), 0, sum(rating = 2),
                sum(length(comment)) FROM feedback, (SELECT 0 AS s UNION SELECT 1) GROUP BY s;
            INSERT INTO cursor (name, position) VALUES ('hook', 0);
            """
        )
        let receiver = try await WebhookReceiver()
        let yaml = """
            hooks:
              order: [hook]
              hook:
                {kind: notification, on: [down], webhook_url: "\(receiver.url)",
                 body: "{count} {total_count} {comment}"}
            """
        let path = folder.path("feedbackd.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        let daemon = try await Daemon(in: folder, ["--config", path])
        var memory = 0
        let isDone = try await eventually(within: .seconds(300)) {
            memory = max(memory, try daemon.status("VmRSS"))
            return try daemon.sqlite("SELECT position FROM cursor") == "\(count)"
        }
        #expect(isDone)
        #expect(memory > 0 && memory <= 65_536, "in KiB")
        let bodies = Set(try receiver.requests().map(\.body))
        let expected = (1...(count / 1_000)).map { "\($0) \($0) comment \($0 * 1_000)" }
        #expect(bodies == Set(expected))
        #expect(daemon.terminate() == 0)
    }
}
