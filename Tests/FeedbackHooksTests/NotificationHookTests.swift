import FeedbackCore
import FeedbackModel
import Foundation
import Logging
import SQLiteStore
import TestSupport
import Testing

@testable import FeedbackHooks

@Suite("notification hook")
struct NotificationHookTests {
    private let folder: TemporaryFolder
    private let store: SQLiteStore

    init() throws {
        folder = try TemporaryFolder()
        store = try SQLiteStore(path: folder.path("f.db"), logger: .silent)
    }

    /// Runs a service with the hook, with short pauses after failures.
    private func withService(
        _ options: NotificationHook.Options,
        logger: Logger = .silent,
        _ body: (FeedbackService) async throws -> Void
    ) async throws {
        let backoff = AlertDelivery.Backoff(
            first: .milliseconds(10),
            receiverMax: .milliseconds(100),
            alertMax: .milliseconds(100)
        )
        let hook = try NotificationHook(options, backoff: backoff, logger: logger)
        let service = FeedbackService(store: store, hooks: [hook])
        service.start()
        do {
            try await body(service)
        } catch {
            await service.stop()
            throw error
        }
        await service.stop()
    }

    private func webhook(
        _ receiver: WebhookReceiver,
        _ change: (inout NotificationHook.Options) -> Void = { _ in }
    ) -> NotificationHook.Options {
        var options = NotificationHook.Options(
            rule: AlertRule(name: "hook"),
            sink: .webhook(url: receiver.url, headers: [:])
        )
        change(&options)
        return options
    }

    private func pending() async throws -> [QueuedAlert] {
        try await store.outbox.list(dead: false, after: 0, limit: 100).alerts
    }

    @Test("a webhook gets the alert once, with its headers")
    func webhookOnce() async throws {
        let receiver = try await WebhookReceiver()
        let options = webhook(receiver) {
            $0.sink = .webhook(url: receiver.url, headers: ["X-Team": "support"])
            $0.body = #"{"text": "Down ({count}) in {session_id}: {comment}"}"#
        }
        try await withService(options) { service in
            _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .up))
            let added = try await service.add(
                FeedbackDraft(sessionID: "s", rating: .down, comment: "\"no\"")
            )
            try await expectSoon { try await pending().isEmpty }
            let requests = try receiver.requests()
            #expect(requests.count == 1)
            let request = try #require(requests.first)
            #expect(request.body == #"{"text": "Down (1) in s: \"no\""}"#)
            #expect(request.path == "/hook")
            #expect(request.headers["X-Team"] == "support")
            #expect(request.headers["Content-Type"] == "application/json")
            let id = try #require(added.feedback.id)
            #expect(request.headers["Idempotency-Key"] == "\(id)-hook")
        }
    }

    @Test(
        "a receiver that fails gets the alert again, with the same key",
        arguments: ["500", "429", "404", "301", "half", "silent", "trickle"]
    )
    func failing(_ answer: String) async throws {
        let receiver = try await WebhookReceiver(answer: answer)
        try await withService(webhook(receiver) { $0.timeout = .milliseconds(300) }) { service in
            _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            try await expectSoon { try await (pending().first?.attempts ?? 0) >= 2 }
            let alert = try #require(try await pending().first)
            let isStatus = Int(answer) != nil
            #expect(alert.lastError == (isStatus ? "HTTP status \(answer)" : alert.lastError))
            #expect(!alert.lastError.isEmpty)
            receiver.answer = "200"
            try await expectSoon { try await pending().isEmpty }
            let keys = try receiver.requests().map { $0.headers["Idempotency-Key"] }
            #expect(keys.count >= 3)
            #expect(Set(keys).count == 1)
        }
    }

    @Test("a receiver may take its time, within the timeout", arguments: ["slow", "trickle"])
    func slowAnswer(_ answer: String) async throws {
        let receiver = try await WebhookReceiver(answer: answer)
        try await withService(webhook(receiver) { $0.timeout = .seconds(60) }) { service in
            _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            try await expectSoon { try await pending().isEmpty }
            #expect(try receiver.requests().map(\.answer) == [answer])
        }
    }

    @Test("an https receiver has to be trusted, by the system or the file that is named")
    func https() async throws {
        let receiver = try await WebhookReceiver(hasTLS: true)
        let other = try await WebhookReceiver(hasTLS: true)
        for caFile in [nil, other.certificateFile] {
            try await withService(webhook(receiver) { $0.caFile = caFile }) { service in
                if caFile == nil {
                    _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
                }
                let before = try await pending().first?.attempts ?? 0
                try await expectSoon {
                    try await (pending().first?.attempts ?? 0) >= before + 2
                }
                let error = try await pending().first?.lastError
                #expect(error == "SSL peer certificate or SSH remote key was not OK")
            }
        }
        #expect(try receiver.requests().isEmpty)
        try await withService(webhook(receiver) { $0.caFile = receiver.certificateFile }) { _ in
            try await expectSoon { try await pending().isEmpty }
            #expect(try receiver.requests().count == 1)
        }
    }

    @Test("a file of certificates that is not there, or that nothing would use, is refused")
    func badCAFile() throws {
        let receiver = NotificationHook.Sink.webhook(url: "https://receiver.example/", headers: [:])
        for (sink, file) in [(receiver, folder.path("no")), (.log, "/dev/null")] {
            var options = NotificationHook.Options(rule: AlertRule(name: "hook"), sink: sink)
            options.caFile = file
            #expect {
                try NotificationHook(options, logger: .silent)
            } throws: {
                ($0 as? CallError)?.message.contains("ca_file") == true
            }
        }
    }

    @Test("calls do not wait for a receiver")
    func slow() async throws {
        let receiver = try await WebhookReceiver(answer: "silent")
        try await withService(webhook(receiver) { $0.timeout = .seconds(60) }) { service in
            // The adds would not return if they waited for the deliveries.
            for _ in 0..<20 {
                _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            }
            #expect(try await pending().count == 20)
            receiver.stop()
        }
    }

    @Test("an alert that is refused does not hold up the others")
    func refused() async throws {
        let receiver = try await WebhookReceiver(answer: "400")
        try await withService(webhook(receiver)) { service in
            _ = try await service.add(FeedbackDraft(sessionID: "a", rating: .down))
            try await expectSoon { try await (pending().first?.attempts ?? 0) >= 1 }
            receiver.answer = "200"
            _ = try await service.add(FeedbackDraft(sessionID: "b", rating: .down))
            try await expectSoon { try await pending().isEmpty }
        }
    }

    @Test("what waited while the receiver was down is delivered when it is back")
    func down() async throws {
        let receiver = try await WebhookReceiver()
        receiver.stop()
        try await withService(webhook(receiver)) { service in
            for number in 0..<200 {
                let draft = FeedbackDraft(sessionID: "s", rating: .down, comment: "\(number)")
                _ = try await service.add(draft)
            }
            #expect(try await pending().count == 100, "the first page")
            try await receiver.restart()
            try await expectSoon { try await pending().isEmpty }
            let bodies = Set(try receiver.requests().map(\.body))
            #expect(bodies.count == 200)
        }
    }

    @Test("an alert that is too old becomes a dead letter, and is delivered when it is retried")
    func deadLetters() async throws {
        let receiver = try await WebhookReceiver(answer: "500")
        try await withService(webhook(receiver) { $0.giveUpAfter = .milliseconds(200) }) {
            service in
            _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            try await expectSoon { try await service.alerts(AlertQuery()).totalSize == 1 }
            let letter = try #require(try await service.alerts(AlertQuery()).alerts.first)
            #expect(letter.state == .dead)
            #expect(letter.lastError == "HTTP status 500")
            #expect(try await pending().isEmpty)
            receiver.answer = "200"
            #expect(try await service.retryAlerts([letter.id]) == 1)
            try await expectSoon { try receiver.requests().last?.answer == "200" }
            #expect(try await service.alerts(AlertQuery()).totalSize == 0)
        }
    }

    @Test("what an earlier run left is delivered by the next")
    func restart() async throws {
        let receiver = try await WebhookReceiver()
        receiver.stop()
        let options = webhook(receiver)
        try await withService(options) { service in
            _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
        }
        try await receiver.restart()
        #expect(try await pending().count == 1)
        try await withService(options) { _ in
            try await expectSoon { try await pending().isEmpty }
        }
        #expect(try receiver.requests().count == 1)
    }

    @Test("a command gets the alert on its standard input")
    func command() async throws {
        let output = folder.path("output")
        let script = "cat >> \(output); echo >> \(output)"
        let options = NotificationHook.Options(
            rule: AlertRule(name: "hook", condition: .inARow(2)),
            sink: .command(["/bin/sh", "-c", script])
        )
        try await withService(options) { service in
            for comment in ["one", "two", "three"] {
                let draft = FeedbackDraft(sessionID: "s", rating: .down, comment: comment)
                _ = try await service.add(draft)
            }
            try await expectSoon { try await pending().isEmpty }
            let text = try String(contentsOfFile: output, encoding: .utf8)
            #expect(text.contains(#""comment":"two""#))
            #expect(text.split(separator: "\n").count == 1, "only the second makes two in a row")
        }
    }

    @Test(
        "a command that fails is started again",
        arguments: [
            "exit 3", "kill -9 $$", "sleep 60",
        ]
    )
    func failingCommand(_ failure: String) async throws {
        let flag = folder.path("flag")
        let script = "test -e \(flag) || { \(failure); }"
        var options = NotificationHook.Options(
            rule: AlertRule(name: "hook"),
            sink: .command(["/bin/sh", "-c", script])
        )
        options.timeout = .milliseconds(300)
        try await withService(options) { service in
            _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            try await expectSoon { try await (pending().first?.attempts ?? 0) >= 1 }
            try "".write(toFile: flag, atomically: true, encoding: .utf8)
            try await expectSoon { try await pending().isEmpty }
        }
    }

    @Test("a command has no secrets of the daemon, and leaves nothing open")
    func commandSurroundings() async throws {
        setenv("FEEDBACKD_STORE", "mongodb://user:secret@host", 1)
        defer { unsetenv("FEEDBACKD_STORE") }
        let output = folder.path("output")
        let options = NotificationHook.Options(
            rule: AlertRule(name: "hook"),
            sink: .command(["/bin/sh", "-c", "env >> \(output)"])
        )
        func openFiles() throws -> Int {
            let links = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
            return links.count {
                let path = try? FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/self/fd/\($0)"
                )
                return path?.contains("feedbackd-alert") == true
            }
        }
        try await withService(options) { service in
            for _ in 0..<5 {
                _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            }
            try await expectSoon { try await pending().isEmpty }
            #expect(try openFiles() == 0)
        }
        let text = try String(contentsOfFile: output, encoding: .utf8)
        #expect(text.contains("PATH="))
        #expect(!text.contains("secret"))
    }

    @Test("an alert whose add failed after it was stored is delivered all the same")
    func failureAfterStorage() async throws {
        struct Failing: FeedbackHook {
            func intercept(
                _ change: Change,
                context: HookContext,
                next: HookChain.Next
            ) async throws -> ChangeOutcome {
                _ = try await next(change)
                throw CallError(.unavailable, "after")
            }
        }
        let receiver = try await WebhookReceiver()
        let hook = try NotificationHook(webhook(receiver), logger: .silent)
        let service = FeedbackService(store: store, hooks: [hook, Failing()])
        service.start()
        await #expect(throws: CallError.self) {
            try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
        }
        try await expectSoon { try receiver.requests().count == 1 }
        await service.stop()
    }

    @Test("headers are sent once, whatever their case, and may be empty")
    func headers() async throws {
        let receiver = try await WebhookReceiver()
        let headers = ["content-type": "text/x", "idempotency-key": "no", "X-Empty": ""]
        let options = webhook(receiver) {
            $0.sink = .webhook(url: receiver.url, headers: headers)
        }
        try await withService(options) { service in
            let added = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
            try await expectSoon { try receiver.requests().count == 1 }
            let request = try #require(try receiver.requests().first)
            #expect(request.headers["content-type"] == "text/x")
            #expect(request.headers["Content-Type"] == nil)
            #expect(request.headers["X-Empty"] == "")
            let id = try #require(added.feedback.id)
            #expect(request.headers["Idempotency-Key"] == "\(id)-hook")
            #expect(request.headers["idempotency-key"] == nil)
        }
    }

    @Test("the log has a line without the comment")
    func log() async throws {
        let lines = LogLines()
        let rule = AlertRule(name: "hook")
        try await withService(
            NotificationHook.Options(rule: rule, sink: .log),
            logger: lines.logger
        ) { service in
            let draft = FeedbackDraft(sessionID: "s", rating: .down, comment: "secret")
            _ = try await service.add(draft)
            try await expectSoon { lines.all.contains { $0.contains("[ALERT]") } }
        }
        let text = lines.all.joined(separator: "\n")
        #expect(text.contains("[ALERT] Negative feedback for session s"))
        #expect(!text.contains("secret"))
    }

    @Test("options that cannot work are refused, without their values")
    func badOptions() {
        func refuses(_ change: (inout NotificationHook.Options) -> Void) {
            var options = NotificationHook.Options(rule: AlertRule(name: "h"), sink: .log)
            change(&options)
            do {
                _ = try NotificationHook(options, logger: .silent)
                Issue.record("not refused")
            } catch {
                #expect((error as? CallError)?.code == .invalidArgument)
                #expect(!"\(error)".contains("secret"))
            }
        }
        for url in ["", "secret", "ftp://secret/", "file:///secret", "http://", "https:///secret"] {
            refuses { $0.sink = .webhook(url: url, headers: [:]) }
        }
        for header in ["": "x", "a b": "x", "a:": "x", "a": "secret\r\nb: c"] {
            refuses {
                $0.sink = .webhook(url: "http://h/", headers: [header.key: header.value])
            }
        }
        refuses { $0.sink = .command([]) }
        refuses { $0.sink = .command(["secret"]) }
        refuses { $0.rule.ratings = [] }
        refuses { $0.rule.condition = .inARow(1) }
        refuses { $0.rule.condition = .inARow(1_001) }
        refuses { $0.rule.condition = .share(ofLast: 10, above: 1) }
        refuses { $0.rule.condition = .share(ofLast: 1, above: 0.5) }
        refuses { $0.timeout = .zero }
        refuses { $0.body = "{" }
    }
}

/// Expects the condition to become true soon.
private func expectSoon(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let holds = try await eventually(condition)
    #expect(holds, sourceLocation: sourceLocation)
}

extension Logger {
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
