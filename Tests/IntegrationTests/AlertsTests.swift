import FeedbackClient
import Foundation
import MongoServers
import TestSupport
import Testing

/// The daemon's alerts, to a real receiver and across kills of the daemon.
@Suite("alerts of the daemon", .serialized)
struct AlertsTests {
    private let folder: TemporaryFolder
    private let receiver: WebhookReceiver

    init() async throws {
        folder = try TemporaryFolder()
        receiver = try await WebhookReceiver()
    }

    private func daemon(_ settings: String = "") async throws -> Daemon {
        let yaml = """
            hooks:
              order: [slack]
              slack:
                kind: notification
                on: [down]
                webhook_url: \(receiver.url)
                headers: {X-Token: secret-token}
                body: '{"text": "Down ({count}) in {session_id}: {comment}"}'
                timeout: 2
            \(settings)
            """
        let path = folder.path("feedbackd.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        return try await Daemon(in: folder, ["--config", path])
    }

    @Test("an alert is posted, and nothing of it is in the log")
    func posted() async throws {
        let daemon = try await daemon()
        let added = try daemon.control("add", "s", "--rating", "down", "--comment", "secret-no")
        #expect(added.code == 0)
        let isPosted = try await eventually { try receiver.requests().count == 1 }
        #expect(isPosted)
        #expect(try receiver.requests().first?.body == #"{"text": "Down (1) in s: secret-no"}"#)
        #expect(daemon.terminate() == 0)
        #expect(try !daemon.log().contains("secret"))
    }

    @Test("killed between the commit and the delivery, the next start delivers, with the count")
    func killed() async throws {
        receiver.stop()
        let first = try await daemon()
        for _ in 0..<3 { #expect(try first.control("add", "s", "--rating", "down").code == 0) }
        first.kill()
        try await receiver.restart()
        let second = try await daemon()
        let isPosted = try await eventually { try receiver.requests().count == 3 }
        #expect(isPosted)
        let bodies = Set(try receiver.requests().map(\.body))
        #expect(bodies == Set((1...3).map { #"{"text": "Down (\#($0)) in s: "}"# }))
        #expect(try await eventually { try second.hasDeliveredEverything() })
    }

    @Test("a dead letter is shown, tried again and delivered")
    func deadLetter() async throws {
        receiver.answer = "500"
        let daemon = try await daemon("    attempts: 1")
        #expect(try daemon.control("add", "s", "--rating", "down", "--comment", "no").code == 0)
        let isDead = try await eventually {
            try daemon.control("deliveries").output.contains("1 of 1")
        }
        #expect(isDead)
        let table = try daemon.control("deliveries").output
        #expect(table.contains("slack"))
        #expect(table.contains("HTTP status 500"))

        struct List: Decodable {
            struct Delivery: Decodable {
                struct Feedback: Decodable {
                    let comment: String
                }
                let deliveryId: String
                let state: String
                let feedback: Feedback
            }
            let deliveries: [Delivery]
        }
        let json = Data(try daemon.control("deliveries", "--content", "--json").output.utf8)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let dead = try #require(try decoder.decode(List.self, from: json).deliveries.first)
        #expect(dead.state == "dead")
        #expect(dead.feedback.comment == "no")

        #expect(try daemon.control("deliveries", "retry", "slack", "999").output == "0 retried\n")
        receiver.answer = "200"
        let retried = try daemon.control("deliveries", "retry", "slack", dead.deliveryId)
        #expect(retried.output == "1 retried\n")
        let isDelivered = try await eventually { try receiver.requests().last?.answer == "200" }
        #expect(isDelivered)
        #expect(try daemon.control("deliveries").output.contains("0 of 0"))
        #expect(try await eventually { try daemon.hasDeliveredEverything() })
    }

    @Test("a storm of alerts while the receiver is down waits in the store, not in memory")
    func storm() async throws {
        receiver.stop()
        let daemon = try await daemon()
        let client = try FeedbackClient(socket: daemon.socket)
        func add(_ count: Int) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        for _ in 0..<(count / 50) {
                            try await client.addFeedback(sessionID: "s", rating: .down)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        try await add(2_000)
        let before = try daemon.status("VmRSS")
        try await add(8_000)
        #expect(try daemon.status("VmRSS") - before < 16_384, "in KiB")
        func waiting() async throws -> Int64 {
            let slack = try #require(try await client.destinations().first)
            return slack.changesBehind + slack.retryingCount
        }
        #expect(try await waiting() == 10_000)
        #expect(try daemon.sqlite("SELECT count(*) FROM delivery") == "0", "nothing is copied")
        try await receiver.restart()
        let isEmpty = try await eventually(within: .seconds(120)) { try await waiting() == 0 }
        #expect(isEmpty)
        let bodies = Set(try receiver.requests().map(\.body))
        #expect(bodies.count == 10_000, "each has its count")
        client.close()
    }

    @Test("a proxy of the environment gets no alert for a receiver on this host")
    func proxy() async throws {
        let proxy = try await WebhookReceiver()
        let proxyURL = proxy.url.replacing("/hook", with: "")
        let port = try #require(receiver.url.split(separator: ":").last)
        func deliver(to url: String, by expected: WebhookReceiver) async throws {
            let path = folder.path("proxy.yaml")
            let yaml = """
                hooks:
                  order: [tell]
                  tell: {kind: notification, webhook_url: "\(url)"}
                """
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
            let environment = ["http_proxy": proxyURL, "ALL_PROXY": proxyURL, "no_proxy": ""]
            let daemon = try await Daemon(
                in: folder,
                ["--config", path],
                environment: environment
            )
            let before = try expected.requests().count
            #expect(try daemon.control("add", "s", "--rating", "down").code == 0)
            let isPosted = try await eventually { try expected.requests().count == before + 1 }
            #expect(isPosted, "\(url)")
            // Killed, it would tell the next one's receiver again.
            #expect(daemon.terminate() == 0)
        }
        for host in ["127.0.0.1", "localhost", "127.1"] {
            try await deliver(to: "http://\(host):\(port)", by: receiver)
        }
        #expect(try proxy.requests().isEmpty)
        try await deliver(to: "http://receiver.invalid/hook", by: proxy)
        #expect(try proxy.requests().map(\.path) == ["http://receiver.invalid/hook"])
    }

    @Test("after SIGHUP the alerts go where the file says then")
    func reload() async throws {
        let other = try await WebhookReceiver()
        receiver.stop()
        let daemon = try await daemon()
        #expect(try daemon.control("add", "s", "--rating", "down").code == 0)
        let path = folder.path("feedbackd.yaml")
        let yaml = try Programs.text(path).replacing(receiver.url, with: other.url)
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        kill(daemon.process.processIdentifier, SIGHUP)
        let isPosted = try await eventually { try other.requests().count == 1 }
        let log = try daemon.log()
        #expect(isPosted, "\(log)")
    }

    @Test("after SIGHUP with a bad notification the present one goes on, and the line is named")
    func badReload() async throws {
        let daemon = try await daemon()
        let path = folder.path("feedbackd.yaml")
        let yaml = try Programs.text(path).replacing(
            "timeout: 2",
            with: "timeout: 2\n    attempts: 0"
        )
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        kill(daemon.process.processIdentifier, SIGHUP)
        let isSaid = try await eventually {
            try daemon.log().contains(
                "feedbackd.yaml:10: hooks.slack.attempts must be a whole number"
            )
        }
        #expect(isSaid)
        #expect(try daemon.control("add", "s", "--rating", "down").code == 0)
        let isPosted = try await eventually { try receiver.requests().count == 1 }
        #expect(isPosted)
    }

    @Test("an alert that a receiver refuses, never answers or is not there for delays no other")
    func others() async throws {
        let silent = try await WebhookReceiver(answer: "silent")
        let gone = try await WebhookReceiver()
        gone.stop()
        let yaml = """
            hooks:
              order: [slack, silent, gone, good]
              slack:
                {kind: notification, webhook_url: "\(receiver.url)", body: "{session_id}"}
              silent: {kind: notification, webhook_url: "\(silent.url)", timeout: 60}
              gone: {kind: notification, webhook_url: "\(gone.url)"}
              good:
                {kind: notification, command: [/bin/sh, -c, "cat >> \(folder.path("told"))"], body: x}
            """
        let path = folder.path("four.yaml")
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
        try "500".write(
            toFile: receiver.answerFile(ofBody: "bad"),
            atomically: true,
            encoding: .utf8
        )
        let daemon = try await Daemon(in: folder, ["--config", path])
        #expect(try daemon.control("add", "bad", "--rating", "down").code == 0)
        for _ in 0..<20 {
            #expect(try daemon.control("add", "fine", "--rating", "down").code == 0)
        }
        // The receiver that never answers would end its first attempts after a minute.
        let areTold = try await eventually {
            try receiver.requests().count { $0.body == "fine" } == 20
                && ((try? Programs.text(folder.path("told"))) ?? "").count == 21
        }
        #expect(areTold)
        #expect(try receiver.requests().contains { $0.body == "bad" && $0.answer == "500" })
        #expect(try silent.requests().count == 4, "as many as it is sent at a time")
        let listed = "SELECT count(*) FROM delivery JOIN cursor ON cursor.id = cursor AND name = "
        #expect(try await eventually { try daemon.sqlite("\(listed)'slack'") == "1" })
        #expect(try daemon.sqlite("\(listed)'gone'") == "0")
    }

    @Test("with MongoDB, killed before the delivery, the next start delivers")
    func mongoDB() async throws {
        receiver.stop()
        let server = try await SharedServer.uri()
        let database = SharedServer.newDatabase()
        func daemon() async throws -> Daemon {
            let yaml = """
                alerts_file: \(folder.path("alerts.db"))
                hooks:
                  order: [slack]
                  slack: {kind: notification, webhook_url: "\(receiver.url)"}
                """
            let path = folder.path("mongo.yaml")
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
            let daemon = try await Daemon(
                in: folder,
                ["--config", path, "--store", server, "--mongodb-database", database]
            )
            let isServing = try await eventually { try daemon.control("health").code == 0 }
            #expect(isServing)
            return daemon
        }
        let first = try await daemon()
        for _ in 0..<3 { #expect(try first.control("add", "s", "--rating", "down").code == 0) }
        first.kill()
        try await receiver.restart()
        let second = try await daemon()
        let isPosted = try await eventually { try receiver.requests().count == 3 }
        #expect(isPosted)
        let bodies = try receiver.requests().map(\.body).sorted()
        for (body, count) in zip(bodies, 1...3) {
            #expect(body.contains(#""count":\#(count),"total_count":\#(count),"#))
        }
        // No other event wakes the delivery.
        #expect(try second.control("add", "s", "--rating", "down").code == 0)
        let isLastPosted = try await eventually { try receiver.requests().count == 4 }
        #expect(isLastPosted)
        #expect(try await eventually { try second.hasDeliveredEverything() })
    }

}
