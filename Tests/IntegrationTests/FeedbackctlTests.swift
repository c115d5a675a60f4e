import Foundation
import TestSupport
import Testing

@Suite("feedbackctl", .serialized)
struct FeedbackctlTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func the_readme_s_transcript_works_and_survives_kill_9() async throws {
        let first = try await Daemon(in: folder)
        let added = try first.control(
            "add",
            "user-123",
            "--rating",
            "up",
            "--comment",
            "Very helpful response!"
        )
        #expect(added.code == 0)
        #expect(added.output.count == 37)
        first.kill()
        let second = try await Daemon(in: folder)
        let list = try second.control("list", "user-123").output
        #expect(list.hasPrefix("CREATED"))
        #expect(list.contains("up      Very helpful response!\n1 of 1\n"))
        let metrics = try second.control("metrics", "user-123").output
        #expect(metrics.contains("SATISFACTION"))
        #expect(metrics.contains("\n1      1   0     0     100.0 %       100.0 %   22.0\n"))
    }

    @Test func json_has_the_names_of_the_proto_file() async throws {
        let daemon = try await Daemon(in: folder)
        let added = try json(
            daemon.control(
                "--json",
                "add",
                "s",
                "--rating",
                "down",
                "--comment",
                "no",
                "--tag",
                "a",
                "--tag",
                "b",
                "--attribute",
                "k=v=w",
                "--author-id",
                "me",
                "--author-source",
                "human",
                "--message-id",
                "m",
                "--agent-id",
                "g",
                "--request-id",
                "r"
            )
        )
        let feedback = try #require(added["feedback"] as? [String: Any])
        #expect(added["replayed"] as? Bool == false)
        #expect(feedback["rating"] as? String == "down")
        #expect(feedback["tags"] as? [String] == ["a", "b"])
        #expect(feedback["attributes"] as? [String: String] == ["k": "v=w"])
        #expect(feedback["author"] as? [String: String] == ["source": "human", "id": "me"])
        #expect(feedback["message_id"] as? String == "m")
        #expect(feedback["agent_id"] as? String == "g")
        let again = try json(daemon.control("add", "s", "--request-id", "r", "--json"))
        #expect(again["replayed"] as? Bool == true)
        let list = try json(daemon.control("list", "--json"))
        #expect(list["total_size"] as? Int == 1)
        #expect((list["feedbacks"] as? [[String: Any]])?.first?["feedback_id"] as? String != nil)
        let metrics = try json(daemon.control("metrics", "--group-by", "session", "--json"))
        #expect((metrics["metrics"] as? [String: Any])?["negative"] as? Int == 1)
        #expect((metrics["groups"] as? [[String: Any]])?.first?["key"] as? String == "s")
        #expect(try json(daemon.control("health", "--json"))["status"] as? String == "SERVING")
    }

    @Test func metadata_is_set_read_and_deleted() async throws {
        let daemon = try await Daemon(in: folder)
        let set = try daemon.control(
            "metadata",
            "set",
            "s",
            "variant=B",
            "share=0.5",
            "on=true",
            "list=[1,\"x\"]"
        )
        #expect(set.output.contains("variant  \"B\"\n"))
        #expect(set.output.contains("list     [1,\"x\"]\n"))
        let deleted = try json(daemon.control("metadata", "delete", "s", "list", "on", "--json"))
        #expect(deleted["share"] as? Double == 0.5)
        #expect(deleted.count == 2)
        #expect(try json(daemon.control("metadata", "get", "s", "--json")).count == 2)
        let unknown = try daemon.control("metadata", "get", "nobody")
        #expect(unknown.code == 1)
        #expect(unknown.errors.contains("NOT_FOUND"))
    }

    @Test func filters_and_limits_of_list() async throws {
        let daemon = try await Daemon(in: folder)
        for index in 0..<12 {
            let rating = index.isMultiple(of: 3) ? "down" : "up"
            _ = try daemon.control(
                "add",
                "s\(index % 2)",
                "--rating",
                rating,
                "--comment",
                "\(index)"
            )
        }
        let down = try daemon.control("list", "--rating", "down")
        #expect(down.output.hasSuffix("4 of 4\n"))
        let newest = try daemon.control("list", "--limit", "2", "--newest-first").output
        #expect(newest.contains("  11\n"))
        #expect(newest.hasSuffix("2 of 12\n"))
        let later = try daemon.control("list", "--since", "2999-01-01", "--no-comment")
        #expect(later.output.hasSuffix("0 of 0\n"))
        let groups = try daemon.control("metrics", "--group-by", "session").output
        #expect(groups.contains("\ns0     6      4   2"))
    }

    @Test func variants_are_compared_with_the_interval_of_their_approval() async throws {
        let daemon = try await Daemon(in: folder)
        for (session, ratings) in [("a", "udd-"), ("b", "uuuuuuuuuu"), ("c", "-")] {
            _ = try daemon.control("metadata", "set", session, "variant=\(session.uppercased())")
            for rating in ratings {
                let name = ["u": "up", "d": "down"][rating] ?? "none"
                #expect(try daemon.control("add", session, "--rating", name).code == 0)
            }
        }
        let table = try daemon.control("metrics", "--group-by", "metadata:variant").output
        #expect(
            table == """
                GROUP  TOTAL  UP  DOWN  NONE  SATISFACTION  APPROVAL  AVG COMMENT  APPROVAL 95 %
                A      4      1   2     1     25.0 %        33.3 %    0.0          6.1 to 79.2 %
                B      10     10  0     0     100.0 %       100.0 %   0.0          72.2 to 100.0 %
                C      1      0   0     1     0.0 %         0.0 %     0.0          -
                (all)  15     11  2     2     73.3 %        84.6 %    0.0          57.8 to 95.7 %

                """
        )
        let report = try json(
            daemon.control("metrics", "--group-by", "metadata:variant", "--json")
        )
        let groups = try #require(report["groups"] as? [[String: Any]])
        let intervals = groups.map { ($0["metrics"] as? [String: Any])?["approval_interval"] }
        let first = try #require(intervals.first as? [Double])
        #expect(first.map { ($0 * 10).rounded() } == [61, 792])
        #expect(intervals.last is NSNull)
        let down = try daemon.control("list", "--rating", "down").output.split(separator: "\n")
        #expect(down.count == 4)
        #expect(down[0].split(separator: " ") == ["CREATED", "SESSION", "RATING", "COMMENT"])
        #expect(down[1].split(separator: " ").dropFirst() == ["a", "down"])
    }

    @Test func each_day_has_a_bar_and_days_between_have_none() async throws {
        let daemon = try await Daemon(in: folder)
        for rating in ["up", "up", "down", "none"] {
            #expect(try daemon.control("add", "s", "--rating", rating).code == 0)
        }
        // The counters are changed as if the feedback had been stored three days ago.
        _ = try daemon.sqlite("UPDATE hour_total SET hour = hour - 72")
        for _ in 0..<2 { #expect(try daemon.control("add", "s", "--rating", "up").code == 0) }
        let lines = try daemon.control("metrics", "--group-by", "day").output.split(separator: "\n")
        let bars = lines.map { line in String(line.drop { !"█▒░".contains($0) }) }
        #expect(
            bars == [
                "█ UP ▒ NONE ░ DOWN",
                String(repeating: "█", count: 20) + String(repeating: "▒", count: 10)
                    + String(repeating: "░", count: 10),
                "", "", String(repeating: "█", count: 20), "",
            ]
        )
        #expect(lines[2].hasSuffix("  0      0   0     0     0.0 %         0.0 %     0.0"))
        #expect(lines[5].hasPrefix("(all)       6      4   1     1  "))
        let hours = try daemon.control("metrics", "--group-by", "hour").output
        #expect(hours.split(separator: "\n").count == 1 + 73 + 1)
    }

    @Test func what_the_terminal_might_obey_is_shown_harmless() async throws {
        let daemon = try await Daemon(in: folder)
        _ = try daemon.control("add", "s", "--comment", "a\u{1B}[31m\nb")
        let list = try daemon.control("list", "s").output
        #expect(list.contains("a\\u{1b}[31m\\nb"))
    }

    @Test func exit_codes_tell_what_went_wrong() async throws {
        let daemon = try await Daemon(in: folder)
        let refused = try daemon.control("add", "")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("INVALID_ARGUMENT: session_id"))
        #expect(try daemon.control("add").code == 64)
        #expect(try daemon.control("add", "s", "--rating", "maybe").code == 64)
        #expect(try daemon.control("list", "--since", "yesterday").code == 64)
        daemon.kill()
        let away = try daemon.control("list")
        #expect(away.code == 2)
        #expect(away.errors.contains("cannot connect to \(daemon.socket)"))
    }

    private func json(_ outcome: Programs.Outcome) throws -> [String: Any] {
        #expect(outcome.code == 0, "\(outcome.errors)")
        let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        return try #require(value as? [String: Any])
    }
}
