import Foundation
import TestSupport
import Testing

/// A kill of the daemon under load, with three destinations of different speed.
@Suite("cursors and kills", .serialized)
struct CursorCrashTests {
    private static let session = "crash"

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// The destinations: a webhook, a command that takes its time, and one that is fast.
    private func daemon(_ receiver: WebhookReceiver) async throws -> Daemon {
        let line = #"read -r id || true; printf "%s\n" "$id" >> "#
        let yaml = """
            hooks:
              order: [hook, slow, fast]
              hook:
                {kind: notification, on: [up, down, none], webhook_url: "\(receiver.url)",
                 body: "{feedback_id}"}
              slow:
                {kind: notification, on: [up, down, none], body: "{feedback_id}",
                 command: [/bin/sh, -c, '\(line)"$0"; sleep 0.005', '\(folder.path("slow"))']}
              fast:
                {kind: notification, on: [up, down, none], body: "{feedback_id}", concurrency: 8,
                 command: [/bin/sh, -c, '\(line)"$0"', '\(folder.path("fast"))']}
            """
        let path = folder.path("feedbackd.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        return try await Daemon(in: folder, ["--config", path])
    }

    private func lines(_ name: String) -> [String] {
        ((try? Programs.text(folder.path(name))) ?? "").split(separator: "\n").map(String.init)
    }

    /// Adds one after the other until the daemon has gone.
    private func startLoad(on daemon: Daemon) throws -> Process {
        let script = """
            n=0
            while "$0" --socket "$1" add \(Self.session) --rating down > /dev/null 2>&1; do
                n=$((n + 1)); echo $n >> "$2"
            done
            """
        return try Programs.start(
            "/bin/sh",
            ["-c", script, Programs.path("feedbackctl"), daemon.socket, folder.path("acks")],
            output: folder.path("load"),
            errors: folder.path("load")
        )
    }

    /// The variable `FEEDBACKD_CURSOR_ROUNDS` sets the number of rounds.
    @Test("SIGKILL under load: each destination is told of every acknowledged feedback")
    func kills() async throws {
        let variable = ProcessInfo.processInfo.environment["FEEDBACKD_CURSOR_ROUNDS"]
        let rounds = try #require(Int(variable ?? "10"))
        let receiver = try await WebhookReceiver()
        var repeated: [String: Int] = [:]
        for round in 0..<rounds {
            let daemon = try await daemon(receiver)
            let before = lines("acks").count
            let load = try startLoad(on: daemon)
            let wanted = before + 1 + round * 17 % 60
            #expect(await eventually { lines("acks").count >= wanted })
            daemon.kill()
            load.waitUntilExit()
        }
        let daemon = try await daemon(receiver)
        let isDone = try await eventually(within: .seconds(120)) {
            try daemon.undeliveredCount() == 0
        }
        #expect(isDone)
        let stored = Set(
            try daemon.sqlite("SELECT lower(hex(feedback_id)) FROM feedback")
                .split(separator: "\n").map(String.init)
        )
        #expect(stored.count >= lines("acks").count)
        let told = [
            "hook": try receiver.requests().map(\.body), "slow": lines("slow"),
            "fast": lines("fast"),
        ]
        for (name, ids) in told {
            let ids = ids.map { $0.replacing("-", with: "") }
            #expect(Set(ids) == stored, "\(name)")
            repeated[name] = ids.count - stored.count
        }
        // What was delivered in the last second before each kill may come once more.
        let rate = try daemon.sqlite(
            """
            SELECT max(n) FROM (SELECT count(*) AS n FROM feedback GROUP BY created_at / 1000)
            """
        )
        let perSecond = try #require(Int(rate))
        for (name, count) in repeated { #expect(count <= rounds * 2 * perSecond, "\(name)") }
        #expect(daemon.terminate() == 0)
        #expect(try daemon.sqlite("PRAGMA integrity_check") == "ok")
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
