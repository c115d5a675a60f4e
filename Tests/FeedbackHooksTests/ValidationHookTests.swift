import FeedbackCore
import FeedbackModel
import Foundation
import Testing

@testable import FeedbackHooks

@Suite("validation")
struct ValidationHookTests {
    private func adding(
        _ change: (inout ValidationHook.Options) -> Void = { _ in }
    ) throws -> Adding {
        var options = ValidationHook.Options()
        change(&options)
        return Adding(try ValidationHook(options))
    }

    @Test(
        "a comment can be made a duty, and white space is none",
        arguments: ["", " ", "\u{1F}\t\u{2003}\n"]
    )
    func missingComments(_ comment: String) async throws {
        let adding = try adding { $0.requireCommentOn = [.down] }
        let error = await adding.failure(comment, rating: .down)
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "Please provide a comment with negative feedback")
        #expect(error?.violations.map(\.field) == ["comment"])
        try await adding.add(comment, rating: .up)
        try await adding.add("The response was incomplete", rating: .down)
        #expect(try await adding.stored.map(\.rating) == [.up, .down])
    }

    @Test("without further settings a comment is no duty")
    func noDuty() async throws {
        try await adding().add("", rating: .down)
    }

    @Test("comments are measured in code points, before they are trimmed")
    func lengths() async throws {
        let adding = try adding()
        let text = String(repeating: "e\u{301}", count: 500)
        #expect(try await adding.add(text).comment == text)
        let error = await adding.failure(text + " ")
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "Comment too long: 1001 chars (max: 1000)")
        #expect(error?.violations.map(\.field) == ["comment"])
        let wide = String(repeating: "🎉", count: 1_000)
        #expect(try await adding.add(wide).comment == wide)
    }

    @Test("the longest comment can be set", arguments: [0, 10_001, -1])
    func commentMax(_ length: Int) async throws {
        #expect {
            try adding { $0.commentMax = length }
        } throws: {
            ($0 as? CallError)?.violations.map(\.field) == ["comment_max"]
        }
        let three = try adding { $0.commentMax = 3 }
        #expect(await three.failure("four")?.message == "Comment too long: 4 chars (max: 3)")
    }

    @Test("comments are trimmed of exactly what Python trims")
    func trimming() throws {
        let python = Process()
        python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        python.arguments = [
            "python3", "-c",
            "print(*[c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not chr(c).strip()])",
        ]
        let pipe = Pipe()
        python.standardOutput = pipe
        try python.run()
        let output = String(
            decoding: pipe.fileHandleForReading.readDataToEndOfFile(),
            as: UTF8.self
        )
        python.waitUntilExit()
        let expected = Set(output.split { $0.isWhitespace }.compactMap { UInt32($0) })
        #expect(expected.count == 29)
        for value in 0...UInt32(0x10FFFF) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            if scalar.isPythonSpace != expected.contains(value) {
                Issue.record("U+\(String(value, radix: 16))")
            }
        }
        #expect("a\u{200B}".strippedAsPythonDoes == nil)
        #expect("\u{3000} a b\r\n".strippedAsPythonDoes == "a b")
        #expect("\r\n".strippedAsPythonDoes == "")
        // The combining accent forms one grapheme with the space, but is a character of its own in
        // Python.
        #expect(" \u{301}".strippedAsPythonDoes == "\u{301}")
    }

    @Test("what passes is stored trimmed and with the time of its validation")
    func stamp() async throws {
        let before = Timestamp.now
        let stored = try await adding().add("  Great!\n", attributes: ["_validated_at": "forged"])
        #expect(stored.comment == "Great!")
        let stamp = try #require(stored.draft.attributes["_validated_at"])
        #expect(stamp.utf8.count == 24)
        #expect((before.description...Timestamp.now.description).contains(stamp))
    }

    @Test("a feedback with all attributes that it may have passes without the stamp")
    func noRoom() async throws {
        let adding = try adding()
        var full: Attributes = [:]
        for index in 0..<FieldLimits.attributesMax { full["k\(index)"] = "" }
        #expect(try await adding.add(attributes: full).draft.attributes == full)
        full["k0"] = nil
        #expect(try await adding.add(attributes: full).draft.attributes.count == 32)
        full["_validated_at"] = "forged"
        let stored = try await adding.add(attributes: full).draft.attributes
        #expect(stored.count == 32)
        #expect(stored["_validated_at"] != "forged")
    }

    @Test("words are refused whole and in any case, and not repeated")
    func words() async throws {
        let adding = try adding { $0.refusedWords = ["Damn", "straße", "caf\u{E9}"] }
        for comment in ["DAMN it", "oh, damn!", "(Damn)", "eine Straße", "CAFE\u{301}?"] {
            let error = await adding.failure(comment)
            #expect(error?.message == "Comment has a refused word")
            #expect(error?.code == .invalidArgument)
            #expect(
                error?.violations == [.init(field: "comment", description: "has a refused word")]
            )
        }
        for comment in [
            "damned", "goddamn", "cafes", "d a m n", String(repeating: "damn", count: 99),
        ] {
            try await adding.add(comment)
        }
    }

    @Test(
        "words that would never be found are refused at the start",
        arguments: ["", "two words", "don't", String(repeating: "x", count: 65)]
    )
    func badWords(_ word: String) {
        #expect {
            try adding { $0.refusedWords = ["good", word] }
        } throws: {
            let error = $0 as? CallError
            return error?.code == .invalidArgument
                && error?.message.hasPrefix("refused_words: number 2 must be one word") == true
        }
    }

    @Test("comments that match an expression are refused")
    func patterns() async throws {
        let adding = try adding { $0.refusedPatterns = [#"\bhttps?://"#, #"\d{4}[ -]?\d{4}"#] }
        #expect(
            await adding.failure("see HTTP://x")?.message == "Comment matches refused pattern 1"
        )
        #expect(await adding.failure("1234-5678")?.message == "Comment matches refused pattern 2")
        try await adding.add("http is fine, 123 too")
        try await adding.add(String(repeating: "plain ", count: 160))
    }

    @Test(
        "an expression that cannot be used is refused at the start",
        arguments: ["", "(a", "[", "a{2", String(repeating: "(a)", count: 17)]
            + [String(repeating: "x", count: 1_001)]
    )
    func badPatterns(_ pattern: String) {
        #expect {
            try adding { $0.refusedPatterns = [pattern] }
        } throws: {
            let error = $0 as? CallError
            return error?.code == .invalidArgument
                && error?.message.hasPrefix("refused_patterns: number 1 must be") == true
        }
    }

    @Test(
        "an expression that backtracks without end refuses the comment instead",
        arguments: ["(a+)+$", "(a|aa)+$", "(a*)*b", "a*a*a*a*a*a*b"]
    )
    func endlessPatterns(_ pattern: String) async throws {
        let adding = try adding { $0.refusedPatterns = [pattern] }
        let error = await adding.failure(String(repeating: "a", count: 999) + "!")
        #expect(
            error?.message == "Comment takes too long to compare with refused pattern 1"
        )
    }

    @Test("too many words and expressions are refused at the start")
    func tooMany() {
        #expect(throws: CallError.self) {
            try adding { $0.refusedPatterns = Array(repeating: "x", count: 101) }
        }
        #expect(throws: CallError.self) {
            try adding { $0.refusedWords = Array(repeating: "x", count: 10_001) }
        }
    }

    @Test("only adds of a session that pass count towards its limit")
    func sessionLimit() async throws {
        let adding = try adding {
            $0.addsPerMinutePerSession = 2
            $0.requireCommentOn = [.down]
        }
        try await adding.add(session: "a")
        #expect(await adding.failure(rating: .down, session: "a")?.code == .invalidArgument)
        try await adding.add(session: "a")
        let error = await adding.failure(session: "a")
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message == "Too many adds of one session: at most 2 pass within a minute")
        let wait = try #require(error?.retryDelay)
        #expect(wait > .seconds(55) && wait <= .seconds(70))
        try await adding.add(session: "b")
    }

    @Test("the adds of a process count, those from within the server do not")
    func peerLimit() async throws {
        let adding = try adding { $0.addsPerMinutePerPeer = 1 }
        try await adding.add(session: "a", pid: 7)
        #expect(await adding.failure(session: "b", pid: 7)?.code == .resourceExhausted)
        try await adding.add(session: "a", pid: 8)
        for _ in 0..<3 { try await adding.add() }
    }

    @Test("a limit that cannot be is refused", arguments: [0, -1, 1_000_001])
    func badLimits(_ limit: Int) {
        #expect {
            try adding { $0.addsPerMinutePerPeer = limit }
        } throws: {
            ($0 as? CallError)?.violations.map(\.field) == ["adds_per_minute_per_peer"]
        }
    }
}
