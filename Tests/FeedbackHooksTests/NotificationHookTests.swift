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

    /// A service whose store has the destination.
    private struct Running {
        let service: FeedbackService
        let destinations: Destinations

        func add(_ session: String = "s", _ comment: String = "") async throws {
            let draft = FeedbackDraft(sessionID: session, rating: .down, comment: comment)
            _ = try await service.add(draft)
        }

        /// The deliveries that have failed and are attempted again.
        var retrying: [Delivery] {
            get async throws {
                try await destinations.deliveries(DeliveryQuery(state: .retrying)).deliveries
            }
        }

        /// True if nothing is left to be delivered.
        var isDone: Bool {
            get async throws {
                let status = try await destinations.destinations()[0]
                return status.changesBehind == 0 && status.retryingCount == 0
            }
        }

        /// The reason for which the last attempt failed.
        var lastError: String {
            get async throws { try await destinations.destinations()[0].lastError }
        }
    }

    /// Runs a service with the destination, with short pauses after failures.
    private func withService(
        _ options: NotificationDestination.Options,
        logger: Logger = .silent,
        _ body: (Running) async throws -> Void
    ) async throws {
        var backoff = DeliveryBackoff()
        backoff.first = .milliseconds(10)
        backoff.awayMax = .milliseconds(100)
        backoff.refusedMax = .milliseconds(100)
        let destinations = try Destinations(
            [try NotificationDestination(options, logger: logger)],
            store: store,
            backoff: backoff
        )
        destinations.start()
        // What was there before the cursor is nothing to tell of.
        _ = try await destinations.destinations()
        do {
            try await body(
                Running(service: FeedbackService(store: store), destinations: destinations)
            )
        } catch {
            await destinations.stop()
            throw error
        }
        await destinations.stop()
    }

    private func webhook(
        _ receiver: WebhookReceiver,
        _ change: (inout NotificationDestination.Options) -> Void = { _ in }
    ) -> NotificationDestination.Options {
        var options = NotificationDestination.Options(
            rule: AlertRule(name: "hook"),
            sink: .webhook(url: receiver.url, headers: [:])
        )
        change(&options)
        return options
    }

    @Test("a webhook gets the alert once, with its headers")
    func webhookOnce() async throws {
        let receiver = try await WebhookReceiver()
        let options = webhook(receiver) {
            $0.sink = .webhook(url: receiver.url, headers: ["X-Team": "support"])
            $0.body = #"{"text": "Down ({count}) in {session_id}: {comment}"}"#
        }
        try await withService(options) { running in
            _ = try await running.service.add(FeedbackDraft(sessionID: "s", rating: .up))
            let added = try await running.service.add(
                FeedbackDraft(sessionID: "s", rating: .down, comment: "\"no\"")
            )
            try await expectSoon { try await running.isDone }
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
        arguments: ["500", "429", "404", "301", "401", "503", "half", "silent", "trickle"]
    )
    func failing(_ answer: String) async throws {
        let receiver = try await WebhookReceiver(answer: answer)
        try await withService(webhook(receiver) { $0.timeout = .milliseconds(300) }) { running in
            try await running.add()
            try await expectSoon { try receiver.requests().count >= 3 }
            let isStatus = Int(answer) != nil
            try await expectSoon {
                let error = try await running.lastError
                return isStatus ? error == "HTTP status \(answer)" : !error.isEmpty
            }
            receiver.answer = "200"
            try await expectSoon { try await running.isDone }
            let keys = try receiver.requests().map { $0.headers["Idempotency-Key"] }
            #expect(Set(keys).count == 1)
        }
    }

    @Test(
        "a receiver that takes nothing now is waited for, and nothing is copied",
        arguments: ["401", "429", "503"]
    )
    func away(_ answer: String) async throws {
        let receiver = try await WebhookReceiver(answer: answer)
        try await withService(webhook(receiver)) { running in
            for _ in 0..<20 { try await running.add() }
            try await expectSoon { try receiver.requests().count >= 3 }
            #expect(try await running.retrying.isEmpty)
            let status = try #require(try await running.destinations.destinations().first)
            #expect(status.nextAttemptAt != nil)
            receiver.answer = "200"
            try await expectSoon { try await running.isDone }
            #expect(try await running.destinations.destinations()[0].nextAttemptAt == nil)
        }
    }

    @Test("a receiver may take its time, within the timeout", arguments: ["slow", "trickle"])
    func slowAnswer(_ answer: String) async throws {
        let receiver = try await WebhookReceiver(answer: answer)
        try await withService(webhook(receiver) { $0.timeout = .seconds(60) }) { running in
            try await running.add()
            try await expectSoon { try await running.isDone }
            #expect(try receiver.requests().map(\.answer) == [answer])
        }
    }

    @Test("an https receiver has to be trusted, by the system or the file that is named")
    func https() async throws {
        let receiver = try await WebhookReceiver(hasTLS: true)
        let other = try await WebhookReceiver(hasTLS: true)
        for caFile in [nil, other.certificateFile] {
            try await withService(webhook(receiver) { $0.caFile = caFile }) { running in
                if caFile == nil { try await running.add() }
                let message = "SSL peer certificate or SSH remote key was not OK"
                try await expectSoon {
                    let status = try await running.destinations.destinations()[0]
                    return status.lastError == message && status.nextAttemptAt != nil
                }
            }
        }
        #expect(try receiver.requests().isEmpty)
        try await withService(webhook(receiver) { $0.caFile = receiver.certificateFile }) {
            running in
            try await expectSoon { try await running.isDone }
            #expect(try receiver.requests().count == 1)
        }
    }

    @Test("a file of certificates that is not there, or that nothing would use, is refused")
    func badCAFile() throws {
        let receiver = NotificationDestination.Sink.webhook(
            url: "https://receiver.example/",
            headers: [:]
        )
        for (sink, file) in [(receiver, folder.path("no")), (.log, "/dev/null")] {
            var options = NotificationDestination.Options(rule: AlertRule(name: "hook"), sink: sink)
            options.caFile = file
            #expect {
                try NotificationDestination(options, logger: .silent)
            } throws: {
                ($0 as? CallError)?.message.contains("ca_file") == true
            }
        }
    }

    @Test("calls do not wait for a receiver")
    func slow() async throws {
        let receiver = try await WebhookReceiver(answer: "silent")
        try await withService(webhook(receiver) { $0.timeout = .seconds(60) }) { running in
            // The adds would not return if they waited for the deliveries.
            for _ in 0..<20 {
                try await running.add()
            }
            #expect(try await running.destinations.destinations()[0].changesBehind == 20)
            receiver.stop()
        }
    }

    @Test("an alert that is refused does not hold up the others")
    func refused() async throws {
        let receiver = try await WebhookReceiver(answer: "400")
        try await withService(webhook(receiver)) { running in
            try await running.add("a")
            try await expectSoon { try await running.retrying.first?.attempts ?? 0 >= 1 }
            receiver.answer = "200"
            try await running.add("b")
            try await expectSoon { try await running.isDone }
        }
    }

    @Test("what waited while the receiver was down is delivered when it is back")
    func down() async throws {
        let receiver = try await WebhookReceiver()
        receiver.stop()
        try await withService(webhook(receiver)) { running in
            for number in 0..<200 { try await running.add("s", "\(number)") }
            #expect(try await running.destinations.destinations()[0].changesBehind == 200)
            #expect(try await running.retrying.isEmpty)
            try await receiver.restart()
            try await expectSoon { try await running.isDone }
            let bodies = Set(try receiver.requests().map(\.body))
            #expect(bodies.count == 200)
        }
    }

    @Test("an alert that is too old becomes a dead letter, and is delivered when it is retried")
    func deadLetters() async throws {
        let receiver = try await WebhookReceiver(answer: "500")
        let options = webhook(receiver) { $0.limits.giveUpAfter = .milliseconds(200) }
        try await withService(options) { running in
            try await running.add()
            let dead = DeliveryQuery(destination: "hook", includesContent: true)
            try await expectSoon { try await running.destinations.deliveries(dead).totalSize == 1 }
            let page = try await running.destinations.deliveries(dead)
            let letter = try #require(page.deliveries.first)
            #expect(letter.state == .dead)
            #expect(letter.lastError == "HTTP status 500")
            #expect(letter.feedback?.sessionID == "s")
            #expect(try await running.retrying.isEmpty)
            receiver.answer = "200"
            let selection = DeliverySelection(destination: "hook", ids: [letter.id])
            #expect(try await running.destinations.retry(selection) == 1)
            try await expectSoon { try receiver.requests().last?.answer == "200" }
            try await expectSoon { try await running.isDone }
            #expect(try await running.destinations.deliveries(dead).totalSize == 0)
        }
    }

    @Test("what an earlier run left is delivered by the next")
    func restart() async throws {
        let receiver = try await WebhookReceiver()
        receiver.stop()
        let options = webhook(receiver)
        try await withService(options) { running in try await running.add() }
        try await receiver.restart()
        try await withService(options) { running in
            try await expectSoon { try await running.isDone }
        }
        #expect(try receiver.requests().count == 1)
    }

    @Test("a test message is sent on demand, and the reason of a failure told")
    func testMessage() async throws {
        let receiver = try await WebhookReceiver()
        try await withService(webhook(receiver)) { running in
            let accepted = try await running.destinations.test("hook")
            #expect(accepted.isEmpty)
            let body = try receiver.requests().first?.body
            #expect(body?.contains("test message") == true)
            receiver.answer = "404"
            let refused = try await running.destinations.test("hook")
            #expect(refused == "HTTP status 404")
            let unknown = await #expect(throws: CallError.self) {
                _ = try await running.destinations.test("other")
            }
            #expect(unknown?.code == .notFound)
        }
    }

    @Test("a command gets the alert on its standard input")
    func command() async throws {
        let output = folder.path("output")
        let script = "cat >> \(output); echo >> \(output)"
        let options = NotificationDestination.Options(
            rule: AlertRule(name: "hook", condition: .inARow(2)),
            sink: .command(["/bin/sh", "-c", script])
        )
        try await withService(options) { running in
            for comment in ["one", "two", "three"] {
                let draft = FeedbackDraft(sessionID: "s", rating: .down, comment: comment)
                _ = try await running.service.add(draft)
            }
            try await expectSoon { try await running.isDone }
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
        var options = NotificationDestination.Options(
            rule: AlertRule(name: "hook"),
            sink: .command(["/bin/sh", "-c", script])
        )
        options.timeout = .milliseconds(300)
        try await withService(options) { running in
            try await running.add()
            try await expectSoon { try await !running.lastError.isEmpty }
            try "".write(toFile: flag, atomically: true, encoding: .utf8)
            try await expectSoon { try await running.isDone }
        }
    }

    @Test("a command has no secrets of the daemon, and leaves nothing open")
    func commandSurroundings() async throws {
        setenv("FEEDBACKD_STORE", "mongodb://user:secret@host", 1)
        defer { unsetenv("FEEDBACKD_STORE") }
        let output = folder.path("output")
        let options = NotificationDestination.Options(
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
        try await withService(options) { running in
            for _ in 0..<5 {
                try await running.add()
            }
            try await expectSoon { try await running.isDone }
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
        try await withService(webhook(receiver)) { running in
            running.service.replaceHooks([Failing()])
            await #expect(throws: CallError.self) { try await running.add() }
            try await expectSoon { try receiver.requests().count == 1 }
        }
    }

    @Test("headers are sent once, whatever their case, and may be empty")
    func headers() async throws {
        let receiver = try await WebhookReceiver()
        let headers = ["content-type": "text/x", "idempotency-key": "no", "X-Empty": ""]
        let options = webhook(receiver) {
            $0.sink = .webhook(url: receiver.url, headers: headers)
        }
        try await withService(options) { running in
            let added = try await running.service.add(FeedbackDraft(sessionID: "s", rating: .down))
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
            NotificationDestination.Options(rule: rule, sink: .log),
            logger: lines.logger
        ) { running in
            let draft = FeedbackDraft(sessionID: "s", rating: .down, comment: "secret")
            _ = try await running.service.add(draft)
            try await expectSoon { lines.all.contains { $0.contains("[ALERT]") } }
        }
        let text = lines.all.joined(separator: "\n")
        #expect(text.contains("[ALERT] Negative feedback for session s"))
        #expect(!text.contains("secret"))
    }

    @Test("options that cannot work are refused, without their values")
    func badOptions() {
        func refuses(_ change: (inout NotificationDestination.Options) -> Void) {
            var options = NotificationDestination.Options(rule: AlertRule(name: "h"), sink: .log)
            change(&options)
            do {
                _ = try NotificationDestination(options, logger: .silent)
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
