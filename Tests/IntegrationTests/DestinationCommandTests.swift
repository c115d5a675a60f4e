import FeedbackClient
import FeedbackServer
import Foundation
import Logging
import TestSupport
import Testing

/// `feedbackctl` and destinations that are kept in this process, behind a real socket.
@Suite("feedbackctl and destinations", .serialized)
struct DestinationCommandTests {
    private let folder: TemporaryFolder
    private let engine = FakeDeliveries("slack", "mail")
    private let server: FeedbackServer

    init() throws {
        folder = try TemporaryFolder()
        var configuration = ServerConfiguration()
        configuration.socketPath = folder.path("s.sock")
        configuration.store = .memory
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        server = try FeedbackServer(configuration: configuration, logger: quiet)
        server.service.deliveryEngine = engine
        try server.start()
        let feedback = Feedback(
            id: FeedbackID(high: 0x018D_3F60_5A00_7B1C, low: 0x8A2F_0123_4567_89AB),
            draft: FeedbackDraft(sessionID: "user-123", rating: .down, comment: "too\nslow"),
            createdAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_123)
        )
        engine.update { state in
            state.deliveries = [
                .dead("d-1", of: "slack", feedback: feedback), .dead("d-2", of: "slack"),
                .dead("d-1", of: "mail"),
            ]
        }
    }

    /// Runs feedbackctl without blocking, since the server is in this process.
    private func control(_ arguments: [String]) async throws -> Programs.Outcome {
        let run = try TemporaryFolder()
        let process = try Programs.start(
            Programs.path("feedbackctl"),
            ["--socket", folder.path("s.sock")] + arguments,
            output: run.path("out"),
            errors: run.path("err")
        )
        guard await eventually({ !process.isRunning }) else {
            kill(process.processIdentifier, SIGKILL)
            throw Failure("\(arguments) does not end")
        }
        return Programs.Outcome(
            code: process.terminationStatus,
            output: try Programs.text(run.path("out")),
            errors: try Programs.text(run.path("err"))
        )
    }

    private func control(_ arguments: String...) async throws -> Programs.Outcome {
        try await control(arguments)
    }

    private func json(_ arguments: String...) async throws -> [String: Any] {
        let outcome = try await control(["--json"] + arguments)
        #expect(outcome.code == 0, "\(outcome.errors)")
        let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        return try #require(value as? [String: Any])
    }

    @Test func destinations_are_a_table() async throws {
        engine.update { state in
            state.destinations[0].changesBehind = 12
            state.destinations[0].secondsBehind = 34
            state.destinations[0].retryingCount = 5
            state.destinations[0].deadCount = 2
            state.destinations[0].skippedCount = 1
            state.destinations[0].lastError = "HTTP status 503\u{1B}[31m"
            state.destinations[0].nextAttemptAt = Timestamp(
                millisecondsSinceEpoch: 1_705_935_600_000
            )
            state.destinations[1].isPaused = true
        }
        let table = """
            NAME   KIND     POSITION  BEHIND     RETRYING  DEAD  SKIPPED  STATE                                LAST ERROR
            slack  webhook  e-7       12 (34 s)  5         2     1        away until 2024-01-22T15:00:00.000Z  HTTP status 503\\u{1b}[31m
            mail   webhook  e-7       0          0         0     0        paused

            """
        #expect(try await control("destinations").output == table)
        #expect(try await control("destinations", "list").output == table)
        let status = try await control("status")
        #expect(status.code == 0)
        let lines = status.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "VERSION   \(FeedbackdVersion.text)")
        #expect(lines[1].wholeMatch(of: /STARTED   20\d\d-.*Z/) != nil)
        #expect(lines[2] == "STORE     memory:")
        #expect(lines[3].hasPrefix("POSITION  "))
        #expect(lines[4...].joined(separator: "\n") == "\n" + table)
        try await server.stop()
    }

    @Test func a_destination_is_paused_resumed_and_rewound() async throws {
        let paused = try await control("destinations", "pause", "mail")
        #expect(paused.code == 0)
        #expect(
            paused.output.contains(
                "mail  webhook  e-7       0       0         0     0        paused"
            )
        )
        #expect(try await engine.destinations().map(\.isPaused) == [false, true])
        let resumed = try await control("destinations", "resume", "mail")
        #expect(resumed.output.hasSuffix("  running\n"))
        let rewound = try await json("destinations", "rewind", "slack", "e-3")
        #expect(rewound["position"] as? String == "e-3")
        _ = try await control("destinations", "rewind", "slack")
        #expect(try await engine.destinations().map(\.position.text) == ["e-0", "e-7"])
        // A variable that happens to be empty does not mean everything.
        let empty = try await control("destinations", "rewind", "mail", "")
        #expect(empty.code == 1)
        #expect(empty.errors.contains("INVALID_ARGUMENT: position: must not be empty"))
        #expect(try await engine.destinations().map(\.position.text) == ["e-0", "e-7"])
        try await server.stop()
    }

    @Test func a_test_message_tells_by_the_exit_code() async throws {
        let accepted = try await control("destinations", "test", "slack")
        #expect(accepted.code == 0)
        #expect(accepted.output == "accepted\n")
        engine.update { $0.testError = "HTTP status 500" }
        let refused = try await control("destinations", "test", "slack")
        #expect(refused.code == 1)
        #expect(refused.output.isEmpty)
        #expect(refused.errors == "feedbackctl: not accepted: HTTP status 500\n")
        let asJSON = try await control("destinations", "test", "slack", "--json")
        #expect(asJSON.code == 1)
        #expect(asJSON.output == "{\n  \"error\" : \"HTTP status 500\"\n}\n")
        try await server.stop()
    }

    @Test func dead_letters_are_listed_retried_and_dropped() async throws {
        let listed = try await control("deliveries")
        #expect(listed.code == 0)
        let lines = listed.output.split(separator: "\n")
        #expect(lines.count == 5)
        #expect(
            lines[0].split(separator: "  ").map { $0.trimmingCharacters(in: .whitespaces) } == [
                "ID", "DESTINATION", "FEEDBACK", "SESSION", "TRIED", "FIRST ATTEMPT",
                "NEXT ATTEMPT", "LAST ERROR",
            ]
        )
        #expect(lines[1].hasPrefix("d-1  slack        018d3f60-5a00-7b1c-8a2f-0123456789ab  user"))
        #expect(lines[4] == "3 of 3")
        #expect(!listed.output.contains("slow"))
        let content = try await control("deliveries", "list", "--content", "--limit", "1")
        #expect(content.output.contains("  down    too\\nslow\n1 of 3\n"))
        let mail = try await control("deliveries", "--destination", "mail")
        #expect(mail.output.hasSuffix("\n1 of 1\n"))
        #expect(try await control("deliveries", "--retrying").output.hasSuffix("\n0 of 0\n"))

        let retried = try await control("deliveries", "retry", "slack", "d-1", "gone")
        #expect(retried.output == "1 retried\n")
        #expect(try await control("deliveries", "--retrying").output.hasSuffix("\n1 of 1\n"))
        let dropped = try await json("deliveries", "drop", "slack", "--all")
        #expect(dropped["dropped"] as? Int == 1)
        let page = try await engine.deliveries(DeliveryQuery(pageSize: 10))
        #expect(page.deliveries.map(\.destination) == ["mail"])
        try await server.stop()
    }

    @Test func json_has_the_names_of_the_proto_file() async throws {
        let status = try await json("status")
        #expect(
            Set(status.keys) == [
                "version", "started_at", "store", "position", "destinations", "unreplicated",
                "unreplicated_since",
            ]
        )
        #expect(status["store"] as? String == "memory:")
        let destinations = try await json("destinations")
        let destination = try #require((destinations["destinations"] as? [[String: Any]])?.first)
        #expect(
            Set(destination.keys) == [
                "name", "kind", "position", "behind_changes", "behind_seconds", "retrying", "dead",
                "skipped", "last_error", "paused", "next_attempt_at",
            ]
        )
        let deliveries = try await json("deliveries", "--content")
        #expect(deliveries["total_size"] as? Int == 3)
        let delivery = try #require((deliveries["deliveries"] as? [[String: Any]])?.first)
        #expect(
            Set(delivery.keys) == [
                "delivery_id", "destination", "feedback_id", "session_id", "state", "attempts",
                "first_attempt_at", "next_attempt_at", "last_error", "feedback",
            ]
        )
        #expect(delivery["state"] as? String == "dead")
        #expect((delivery["feedback"] as? [String: Any])?["comment"] as? String == "too\nslow")
        try await server.stop()
    }

    @Test func wrong_usage_and_refusals_have_their_exit_codes() async throws {
        for arguments in [
            ["retry", "slack"], ["drop", "slack"], ["drop", "slack", "d-1", "--all"], ["retry"],
            ["--limit", "0"], ["--destination", ""],
        ] {
            let outcome = try Programs.run(
                Programs.path("feedbackctl"),
                ["--socket", folder.path("none"), "deliveries"] + arguments
            )
            #expect(outcome.code == 64, "\(arguments): \(outcome.errors)")
        }
        for (arguments, error) in [
            (["destinations", "pause", "sms"], "NOT_FOUND: destination: there is none of this"),
            (["destinations", "test", ""], "INVALID_ARGUMENT: name: must be 1 to 255 bytes"),
            (["deliveries", "drop", "sms", "--all"], "NOT_FOUND: "),
        ] {
            let outcome = try await control(arguments)
            #expect(outcome.code == 1, "\(arguments)")
            #expect(outcome.errors.contains(error), "\(outcome.errors)")
        }
        let page = try await engine.deliveries(DeliveryQuery(pageSize: 10))
        #expect(page.totalSize == 3)
        try await server.stop()
    }
}
