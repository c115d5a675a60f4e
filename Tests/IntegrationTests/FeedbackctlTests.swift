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
        let odd = "\u{61C}\u{9B}\u{200E}\u{200F}\u{2028}\u{2029}\u{202A}\u{202E}\u{2066}\u{2069}"
        let comment = "a\u{1B}[31m\nb\(odd)"
        _ = try daemon.control("add", "s\u{202E}", "--comment", comment)
        let list = try daemon.control("list").output
        #expect(list.contains("  s\\u{202e}  "))
        #expect(
            list.contains("a\\u{1b}[31m\\nb\\u{61c}\\u{9b}\\u{200e}\\u{200f}\\u{2028}\\u{2029}")
        )
        let set = try daemon.control("metadata", "set", "s", "k=\(odd)", "\u{202E}=1")
        let metadata = try daemon.control("metadata", "get", "s", "--json")
        let feedback = try daemon.control("list", "--json")
        let groups = try daemon.control("metrics", "--group-by", "session")
        let refused = try daemon.control("metadata", "set", "s", "a.\(odd)=1")
        for outcome in [set, metadata, feedback, groups, refused] {
            let text = outcome.output + outcome.errors
            #expect(!text.isEmpty)
            #expect(
                text.unicodeScalars.allSatisfy { $0 == "\n" || (0x20..<0x7F).contains($0.value) }
            )
        }
        // JSON has the same text none the less.
        #expect(try json(metadata)["k"] as? String == odd)
        let listed = try #require(try json(feedback)["feedbacks"] as? [[String: Any]])
        #expect(listed.first?["comment"] as? String == comment)
    }

    @Test func a_number_comes_back_as_it_was_written_or_is_refused() async throws {
        let daemon = try await Daemon(in: folder)
        let kept = [
            "0", "-1", "0.1", "4", "9007199254740992", "-9007199254740994", "4611686018427387904",
            "-9223372036854775808", "1e+22", "[1,2.5,{\"a\":\"9007199254740993\"}]",
        ]
        for number in kept {
            let set = try daemon.control("metadata", "set", "s", "k=\(number)")
            #expect(set.output.hasSuffix("k    \(number)\n"), "\(set)")
        }
        // What is no JSON is text, however many digits it has.
        for text in ["1.5.2", "0123", "v9007199254740993", "9007199254740993 or so", "\u{301}\""] {
            let set = try daemon.control("metadata", "set", "s", "k=\(text)", "--json")
            #expect(try json(set)["k"] as? String == text)
        }
        for text in ["9007199254740993", "text with \"quotes\", 9007199254740993 and \\"] {
            let quoted = try jsonString(text)
            let set = try daemon.control("metadata", "set", "s", "k=\(quoted)", "--json")
            #expect(try json(set)["k"] as? String == text)
        }
        let before = try daemon.control("metadata", "get", "s").output
        for (value, number) in [
            ("9007199254740993", "9007199254740993"), ("-9007199254740993", "-9007199254740993"),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551615", "18446744073709551615"),
            ("{\"a\": [1, 9007199254740993]}", "9007199254740993"),
            ("[\"\u{301}\", 9007199254740993]", "9007199254740993"),
            ("0.12345678901234567890", "0.12345678901234567890"), ("1e400", "1e400"),
            ("[-1E+400]", "-1E+400"), ("1e-400", "1e-400"),
        ] {
            let refused = try daemon.control("metadata", "set", "s", "k=\(value)", "other=1")
            #expect(refused.code == 64)
            #expect(refused.errors.contains("Error: the number \(number) cannot be kept exactly"))
        }
        #expect(try daemon.control("metadata", "get", "s").output == before)
    }

    @Test func text_that_begins_with_a_dash_is_a_value_of_every_option_that_takes_text()
        async throws
    {
        let daemon = try await Daemon(in: folder)
        let texts = [
            "- bad", "-", "--", "-x", "-5", "--json", "--help", "-h", "--rating", "--comment",
            "--timeout=1", "-=-", "-\u{301}",
        ]
        for (index, text) in texts.enumerated() {
            let added = try daemon.control(
                "add",
                "s",
                "--request-id",
                "\(text)\(index)",
                "--comment",
                text,
                "--message-id",
                text,
                "--agent-id",
                text,
                "--author-id",
                text,
                "--tag",
                text,
                "--tag",
                "b",
                "--attribute",
                "\(text)=\(text)"
            )
            #expect(added.code == 0, "\(text): \(added.errors)")
            let page = try json(daemon.control("list", "--message-id", text, "--json"))
            let feedback = try #require((page["feedbacks"] as? [[String: Any]])?.first)
            for name in ["comment", "message_id", "agent_id"] {
                #expect(feedback[name] as? String == text)
            }
            #expect((feedback["author"] as? [String: String])?["id"] == text)
            #expect(feedback["tags"] as? [String] == [text, "b"])
            #expect((feedback["attributes"] as? [String: String])?.count == 1)
        }
        // A session that begins with one follows "--", as everywhere.
        #expect(try daemon.control("add", "--comment", "", "--", "--comment").code == 0)
        let ofSession = try json(daemon.control("list", "--json", "--", "--comment"))
        #expect(ofSession["total_size"] as? Int == 1)
        // The option without a value in `list` stays one.
        let commented = try json(daemon.control("--timeout", "9", "list", "--comment", "--json"))
        #expect(commented["total_size"] as? Int == texts.count)
        #expect(try daemon.control("add", "s", "--comment").code == 64)
    }

    @Test func keys_are_told_apart_by_their_bytes() async throws {
        let daemon = try await Daemon(in: folder)
        let keys = ["\u{E9}", "e\u{301}"]
        let added = try daemon.control(
            "add",
            "s",
            "--attribute",
            "\(keys[0])=0",
            "--attribute",
            "\(keys[1])=1",
            "--json"
        )
        let listed = try daemon.control("list", "s", "--json")
        let inner = #"{"\#(keys[0])":3,"\#(keys[1])":4}"#
        let set = try daemon.control(
            "metadata",
            "set",
            "s",
            "\(keys[0])=0",
            "\(keys[1])=1",
            "inner=\(inner)",
            "--json"
        )
        /// Returns the lines with pairs of these keys, each without its indentation.
        func pairs(_ outcome: Programs.Outcome) -> [[UInt8]] {
            let lines = outcome.output.split(separator: "\n").map { $0.drop { $0 == " " } }
            return lines.filter { line in keys.contains { line.hasPrefix("\"\($0)\"") } }
                .map { Array($0.utf8) }
        }
        func expected(_ first: String, _ second: String) -> [[UInt8]] {
            [Array("\"\(keys[1])\" : \(second),".utf8), Array("\"\(keys[0])\" : \(first)".utf8)]
        }
        for outcome in [added, listed] {
            #expect(pairs(outcome) == expected("\"0\"", "\"1\""), "\(outcome)")
        }
        #expect(pairs(set).contains(Array("\"\(keys[1])\" : 1,".utf8)), "\(set)")
        #expect(pairs(set).suffix(1) == [Array("\"\(keys[0])\" : 0".utf8)])
        #expect(set.output.contains("\"inner\" : {"))
        #expect(pairs(set).count == 4, "two of the object inside")
        let rest = try daemon.control("metadata", "delete", "s", keys[0], "--json")
        #expect(pairs(rest).contains(Array("\"\(keys[1])\" : 1,".utf8)), "\(rest)")
        #expect(pairs(rest).count == 3)
    }

    @Test func an_empty_session_is_nobody_s() async throws {
        let daemon = try await Daemon(in: folder)
        _ = try daemon.control("add", "s", "--comment", "private")
        for command in [
            ["list"], ["list", "--json"], ["metrics"], ["metrics", "--group-by", "session"],
            ["metadata", "get"],
        ] {
            let refused = try Programs.run(
                Programs.path("feedbackctl"),
                ["--socket", daemon.socket] + command + [""]
            )
            #expect(refused.code == 1)
            #expect(refused.output.isEmpty)
            #expect(refused.errors.contains("INVALID_ARGUMENT: session_id: must be 1 to 255 bytes"))
        }
        #expect(try daemon.control("list").output.hasSuffix("1 of 1\n"))
    }

    @Test(arguments: [
        "2026-02-30", "2026-04-31", "2026-02-29", "0000-01-01", "2026-01-01T25:00:00Z",
        "2026-01-01T00:61:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+24:00", "25:00",
        "00:61",
        "10000-01-01", "",
    ])
    func a_moment_that_does_not_exist_is_wrong_usage(_ moment: String) throws {
        for option in ["--since", "--until"] {
            for command in ["list", "metrics"] {
                let outcome = try Programs.run(
                    Programs.path("feedbackctl"),
                    ["--socket", folder.path("none"), command, option, moment]
                )
                #expect(outcome.code == 64)
                #expect(outcome.errors.contains("'\(moment)' is invalid for '\(option)"))
            }
        }
    }

    @Test func moments_select_what_was_created_between_them() async throws {
        let daemon = try await Daemon(in: folder)
        _ = try daemon.control("add", "s")
        for (since, until, count) in [
            ("2024-02-29", "2999-12-31", 1), ("0001-01-01", "9999-12-31T23:59:59.9999Z", 1),
            ("2999-12-31", "9999-12-31", 0), ("0001-01-01", "2024-02-29T23:59:59+23:59", 0),
        ] {
            let list = try json(
                daemon.control("list", "--since", since, "--until", until, "--json")
            )
            #expect(list["total_size"] as? Int == count)
        }
    }

    @Test func the_status_of_a_daemon_without_destinations() async throws {
        let daemon = try await Daemon(in: folder)
        func position() throws -> String {
            let status = try json(daemon.control("status", "--json"))
            #expect(status["store"] as? String == "sqlite:\(folder.path("f.db"))")
            #expect((status["destinations"] as? [Any])?.isEmpty == true)
            return try #require(status["position"] as? String)
        }
        let before = try position()
        #expect(try position() == before)
        #expect(try daemon.control("add", "s").code == 0)
        let after = try position()
        #expect(!before.isEmpty && !after.isEmpty && after != before)
        let text = try daemon.control("status").output
        #expect(text.contains("\nPOSITION  \(after)\n\nNAME  KIND  POSITION  "))
        #expect(try daemon.control("destinations").output.hasPrefix("NAME  KIND  POSITION  "))
        #expect(try daemon.control("deliveries").output.hasSuffix("\n0 of 0\n"))
        let unknown = try daemon.control("destinations", "pause", "slack")
        #expect(unknown.code == 1)
        #expect(
            unknown.errors == "feedbackctl: NOT_FOUND: destination: there is none of this name\n"
        )
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

    private func jsonString(_ text: String) throws -> String {
        String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
    }

    private func json(_ outcome: Programs.Outcome) throws -> [String: Any] {
        #expect(outcome.code == 0, "\(outcome.errors)")
        let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        return try #require(value as? [String: Any])
    }
}
