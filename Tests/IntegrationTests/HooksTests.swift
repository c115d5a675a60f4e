import FeedbackClient
import FeedbackModel
import Foundation
import TestSupport
import Testing

/// The hooks of the configuration file, in the running daemon.
@Suite("hooks of the configuration", .serialized)
struct HooksTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var auditPath: String { folder.path("audit.jsonl") }

    private func write(_ yaml: String) throws {
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: folder.path("feedbackd.yaml")))
    }

    private func daemon(_ yaml: String) async throws -> Daemon {
        try write(yaml)
        return try await Daemon(in: folder, ["--config", folder.path("feedbackd.yaml")])
    }

    /// Sends SIGHUP and returns when the log has one more line that contains the text.
    private func reload(_ daemon: Daemon, until text: String) async throws {
        func count() throws -> Int { try daemon.log().components(separatedBy: text).count }
        let before = try count()
        kill(daemon.process.processIdentifier, SIGHUP)
        try #require(try await eventually { try count() > before })
    }

    private func audit(_ path: String) throws -> [[String: Any]] {
        try Programs.text(path).split(separator: "\n").map {
            try #require(
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            )
        }
    }

    private func strict(_ commentMax: Int) -> String {
        """
        hooks:
          order: [audit, check]
          audit:
            kind: audit
            file: \(auditPath)
          check:
            kind: validation
            require_comment_on: [down]
            comment_max: \(commentMax)
        """
    }

    @Test("a veto is what feedbackctl says no with, and stands in the audit")
    func veto() async throws {
        let daemon = try await daemon(strict(20))
        let refused = try daemon.control("add", "s", "--rating", "down", "--comment", " \t")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("Please provide a comment with negative feedback"))
        let long = try daemon.control("add", "s", "--comment", String(repeating: "x", count: 21))
        #expect(long.errors.contains("Comment too long: 21 chars (max: 20)"))
        let added = try daemon.control("add", "s", "--rating", "down", "--comment", " secret ")
        #expect(added.code == 0)
        let list = try daemon.control("list", "s", "--json").output
        #expect(list.contains("\"secret\"") && list.contains("_validated_at"))

        let lines = try audit(auditPath)
        #expect(
            lines.compactMap { $0["event"] as? String }
                == ["before", "failed", "before", "failed", "before", "after"]
        )
        #expect(lines[1]["code"] as? String == "INVALID_ARGUMENT")
        #expect(lines.compactMap { $0["comment_length"] as? Int } == [2, 2, 21, 21, 8, 6])
        let id = added.output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(lines[5]["feedback_id"] as? String == id)
        #expect(lines.allSatisfy { $0["uid"] as? Int == Int(geteuid()) && $0["pid"] is Int })
        #expect(!(try Programs.text(auditPath)).contains("secret"))
        #expect(!(try daemon.log()).contains("secret"))
        let attributes = try FileManager.default.attributesOfItem(atPath: auditPath)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(daemon.terminate() == 0)
    }

    @Test("who adds too much is told when to try again")
    func rateLimit() async throws {
        let daemon = try await daemon(
            """
            hooks:
              order: [check]
              check:
                kind: validation
                adds_per_minute_per_peer: 3
            """
        )
        let client = try FeedbackClient(socket: daemon.socket)
        for index in 0..<3 { try await client.addFeedback(sessionID: "s\(index)") }
        await #expect {
            try await client.addFeedback(sessionID: "s")
        } throws: {
            guard let error = $0 as? CallError, let wait = error.retryDelay else {
                return false
            }
            return error.code == .resourceExhausted && wait > .seconds(50) && wait <= .seconds(70)
        }
        // Another process has a limit of its own.
        #expect(try daemon.control("add", "s").code == 0)
        client.close()
        #expect(daemon.terminate() == 0)
    }

    @Test("SIGHUP reads the hooks again; a bad file leaves them as they were and says where")
    func reloading() async throws {
        let daemon = try await daemon(strict(3))
        func add() throws -> Int32 { try daemon.control("add", "s", "--comment", "four").code }
        #expect(try add() == 1)
        try write(strict(4))
        try await reload(daemon, until: "hooks are reloaded: audit, check")
        #expect(try add() == 0)

        try write(strict(0))
        try await reload(daemon, until: "the configuration stays as it was: ")
        #expect(try daemon.log().contains("feedbackd.yaml:9: hooks.check.comment_max must be"))
        #expect(try add() == 0)
        try FileManager.default.removeItem(atPath: folder.path("feedbackd.yaml"))
        try await reload(daemon, until: "the configuration stays as it was: ")
        #expect(try add() == 0)

        try write(strict(3) + "\ndrain_timeout: 11\nlog_level: error")
        try await reload(daemon, until: "hooks are reloaded: ")
        #expect(try add() == 1)
        #expect(try daemon.log().contains("by the next start only: drain_timeout, log_level\n"))
        // A file that may be truncated does not remove hooks.
        for empty in ["", "hooks:", "log_level: info"] {
            try write(empty)
            try await reload(daemon, until: "hooks.order is missing while hooks run")
            #expect(try add() == 1)
        }
        try write("hooks: {order: []}")
        try await reload(daemon, until: "hooks are reloaded: none")
        #expect(try add() == 0)
        try write("")
        try await reload(daemon, until: "hooks are reloaded: none")
        #expect(daemon.terminate() == 0)
    }

    @Test("after a rotation the audit goes on in a new file, even with a bad configuration")
    func rotation() async throws {
        let daemon = try await daemon(strict(100))
        #expect(try daemon.control("add", "s").code == 0)
        let descriptors = try daemon.descriptorCount()
        for (round, yaml, text) in [
            (1, strict(100), "hooks are reloaded"), (2, "hooks: bad", "stays as it was"),
        ] {
            try FileManager.default.moveItem(atPath: auditPath, toPath: auditPath + ".\(round)")
            // Until the reload, the daemon keeps writing to the renamed file.
            #expect(try daemon.control("add", "s").code == 0)
            #expect(try audit(auditPath + ".\(round)").count == 4)
            try write(yaml)
            try await reload(daemon, until: text)
            #expect(FileManager.default.fileExists(atPath: auditPath))
            #expect(try await eventually { try daemon.descriptorCount() == descriptors })
            #expect(try daemon.control("add", "s").code == 0)
            #expect(try audit(auditPath + ".\(round)").count == 4)
            #expect(try audit(auditPath).count == 2)
        }
        #expect(daemon.terminate() == 0)
    }

    @Test("adds during reloads all succeed, and each has its lines in the audit")
    func reloadUnderLoad() async throws {
        let daemon = try await daemon(strict(100))
        let client = try FeedbackClient(socket: daemon.socket)
        let adding = Task {
            for index in 0..<2_000 { try await client.addFeedback(sessionID: "s\(index % 7)") }
        }
        for _ in 0..<20 { try await reload(daemon, until: "hooks are reloaded") }
        try await adding.value
        client.close()
        let events = try audit(auditPath).compactMap { $0["event"] as? String }
        #expect(events.count { $0 == "before" } == 2_000)
        #expect(events.count { $0 == "after" } == 2_000)
        #expect(daemon.terminate() == 0)
    }

    @Test("a notification's command has each alert once, before and after SIGHUP")
    func notification() async throws {
        let told = folder.path("told")
        let daemon = try await daemon(
            """
            hooks:
              order: [page]
              page:
                kind: notification
                on: [down]
                command: [/bin/sh, -c, "cat >> \(told); echo >> \(told)"]
                body: '{"text": "Down ({count}) in {session_id}: {comment}"}'
            """
        )
        func lines() -> [String] {
            ((try? Programs.text(told)) ?? "").split(separator: "\n").map(String.init)
        }
        #expect(try daemon.control("add", "s", "--rating", "up").code == 0)
        #expect(
            try daemon.control("add", "s", "--rating", "down", "--comment", "a \"b\"").code == 0
        )
        #expect(await eventually { lines().count == 1 })
        try await reload(daemon, until: "hooks are reloaded: page")
        #expect(try daemon.control("add", "s", "--rating", "down", "--comment", "c").code == 0)
        #expect(await eventually { lines().count == 2 })
        #expect(daemon.terminate() == 0)
        #expect(
            lines() == [
                #"{"text": "Down (1) in s: a \"b\""}"#, #"{"text": "Down (2) in s: c"}"#,
            ]
        )
    }

    @Test("without a file SIGHUP changes nothing, and hooks of the environment are made anew")
    func noFile() async throws {
        let daemon = try await Daemon(
            in: folder,
            environment: [
                "FEEDBACKD_HOOKS_ORDER": "check", "FEEDBACKD_HOOKS_CHECK_KIND": "validation",
                "FEEDBACKD_HOOKS_CHECK_COMMENT_MAX": "1",
            ]
        )
        try await reload(daemon, until: "hooks are reloaded: check")
        #expect(try daemon.control("add", "s", "--comment", "ab").code == 1)
        #expect(try daemon.control("add", "s", "--comment", "a").code == 0)
        #expect(daemon.terminate() == 0)
    }

    @Test("a SIGTERM among many SIGHUPs ends it")
    func termination() async throws {
        let daemon = try await daemon(strict(100))
        for _ in 0..<200 { kill(daemon.process.processIdentifier, SIGHUP) }
        #expect(daemon.terminate() == 0)
    }

    @Test("a SIGTERM is served while a reload waits for a delivery")
    func terminationDuringReload() async throws {
        let begun = folder.path("begun")
        let daemon = try await daemon(
            """
            hooks:
              order: [audit, page]
              audit:
                kind: audit
                file: \(auditPath)
              page:
                kind: notification
                command: [/bin/sh, -c, "touch \(begun); exec sleep 30"]
                timeout: 60
            """
        )
        #expect(try daemon.control("add", "s", "--rating", "down").code == 0)
        try #require(await eventually { FileManager.default.fileExists(atPath: begun) })
        // The new hooks are made, and open the file, before the former are stopped.
        try FileManager.default.removeItem(atPath: auditPath)
        kill(daemon.process.processIdentifier, SIGHUP)
        let path = auditPath
        try #require(await eventually { FileManager.default.fileExists(atPath: path) })
        for _ in 0..<10 { kill(daemon.process.processIdentifier, SIGHUP) }
        let begin = ContinuousClock.now
        #expect(daemon.terminate() == 0)
        #expect(begin.duration(to: .now) < .seconds(15))
    }

    @Test("an audit file that cannot be opened ends the start with one clear line")
    func badAuditFile() async throws {
        let outcome = try Programs.run(
            Programs.path("feedbackd"),
            ["--socket", folder.path("d.sock"), "--store", "memory:"],
            environment: [
                "FEEDBACKD_HOOKS_ORDER": "audit", "FEEDBACKD_HOOKS_AUDIT_KIND": "audit",
                "FEEDBACKD_HOOKS_AUDIT_FILE": folder.path,
            ]
        )
        #expect(outcome.code == 1)
        #expect(
            outcome.errors
                == "feedbackd: hooks.audit: the audit file \(folder.path) cannot be opened: "
                + "Is a directory\n"
        )
    }
}
