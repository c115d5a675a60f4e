import FeedbackCore
import FeedbackModel
import Foundation
import Glibc
import TestSupport
import Testing

@testable import FeedbackHooks

@Suite("audit")
struct AuditHookTests {
    private let folder: TemporaryFolder
    private let log = LogLines()

    init() throws { folder = try TemporaryFolder() }

    private var path: String { folder.path("audit.jsonl") }

    private func hook(_ change: (inout AuditHook.Options) -> Void = { _ in }) throws -> AuditHook {
        var options = AuditHook.Options()
        options.file = path
        change(&options)
        return try AuditHook(options, logger: log.logger)
    }

    private func lines() throws -> [[String: Any]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try #require(
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            )
        }
    }

    @Test("an add has a line before and one after, with all but the comment's text")
    func beforeAndAfter() async throws {
        let adding = Adding(try hook())
        let draft = FeedbackDraft(
            sessionID: "user-123",
            rating: .down,
            comment: "sécret",
            requestID: "r1"
        )
        let context = CallContext(peer: PeerCredentials(pid: 7, uid: 8, gid: 9))
        let added = try await adding.service.add(draft, context: context)
        _ = try await adding.service.add(draft, context: context)
        let lines = try lines()
        try #require(
            lines.map { $0["event"] as? String } == ["before", "after", "before", "after"]
        )
        for line in lines {
            #expect(line["hook"] as? String == "audit")
            #expect(line["session_id"] as? String == "user-123")
            #expect(line["request_id"] as? String == "r1")
            #expect(line["rating"] as? String == "down")
            #expect(line["comment_length"] as? Int == 6)
            #expect(line["comment"] == nil)
            #expect(line["pid"] as? Int == 7)
            #expect(line["uid"] as? Int == 8)
            #expect((line["time"] as? String)?.utf8.count == 24)
        }
        #expect(lines[0]["call"] as? Int == lines[1]["call"] as? Int)
        #expect(lines[0]["call"] as? Int != lines[2]["call"] as? Int)
        #expect(lines[0]["feedback_id"] == nil)
        for (line, replayed) in [(lines[1], false), (lines[3], true)] {
            #expect(line["feedback_id"] as? String == added.feedback.id?.description)
            #expect(line["replayed"] as? Bool == replayed)
            #expect((line["duration_us"] as? Int).map { $0 >= 0 } == true)
        }
        #expect(log.all.isEmpty)
    }

    @Test("a failure has its code, whoever threw it")
    func failures() async throws {
        struct Odd: Error {}
        for (error, code) in [
            (CallError.invalid("comment", "is rude"), "INVALID_ARGUMENT"),
            (CallError(.unavailable, "no"), "UNAVAILABLE"), (Odd(), "INTERNAL"),
            (CancellationError(), "CANCELLED"),
        ] as [(any Error, String)] {
            let adding = Adding(try hook(), AddHook { _, _, _ in throw error })
            await #expect(throws: (any Error).self) { try await adding.add() }
            let line = try #require(try lines().last)
            #expect(line["event"] as? String == "failed")
            #expect(line["code"] as? String == code)
            #expect(line["duration_us"] is Int)
            #expect(line["feedback_id"] == nil)
        }
    }

    @Test("the line after has what was stored, not what came")
    func changedFeedback() async throws {
        let shortening = AddHook { feedback, _, next in
            var feedback = feedback
            feedback.comment = "short"
            return try await next(feedback)
        }
        try await Adding(try hook(), shortening).add("a longer one")
        #expect(try lines().map { $0["comment_length"] as? Int } == [12, 5])
    }

    @Test(
        "an add has the same lines where they are required and where not",
        arguments: [false, true]
    )
    func requiredOrNot(isRequired: Bool) async throws {
        let audit = try hook { $0.isRequired = isRequired }
        let service = FeedbackService(store: MemoryStore(), hooks: [audit, try ValidationHook()])
        let draft = FeedbackDraft(sessionID: "s", rating: .up, comment: "  c  ")
        let added = try await service.add(draft)
        let lines = try lines()
        #expect(lines.map { $0["event"] as? String } == ["before", "after"])
        #expect(lines.map { $0["comment_length"] as? Int } == [5, 1])
        #expect(lines.map { $0["rating"] as? String } == ["up", "up"])
        #expect(lines[0]["call"] as? Int == lines[1]["call"] as? Int)
        #expect(lines[1]["feedback_id"] as? String == added.feedback.id?.description)
    }

    @Test("a failure's line has what came to the hook, whatever became of it further in")
    func changedBeforeFailure() async throws {
        let hooks = [try hook(), try ValidationHook()] as [any FeedbackHook]
        let service = FeedbackService(store: MemoryStore(), hooks: hooks, missingSession: .reject)
        let draft = FeedbackDraft(sessionID: "s", comment: "  c  ")
        await #expect(throws: CallError.self) { try await service.add(draft) }
        await #expect(throws: CallError.self) { try await service.add(draft) }
        let lines = try lines()
        #expect(
            lines.map { $0["event"] as? String } == ["before", "failed", "before", "failed"]
        )
        #expect(lines.allSatisfy { $0["comment_length"] as? Int == 5 })
        #expect(lines.compactMap { $0["code"] as? String } == ["NOT_FOUND", "NOT_FOUND"])
    }

    @Test("all audit hooks of an add call it by the same number")
    func severalHooks() async throws {
        let between = AddHook { feedback, _, next in try await next(feedback) }
        let adding = Adding(try hook(), between, try hook(), try hook())
        try await adding.add()
        try await adding.add()
        let calls = try lines().compactMap { $0["call"] as? Int }
        #expect(calls.count == 12)
        #expect(Set(calls.prefix(6)).count == 1)
        #expect(Set(calls.suffix(6)).count == 1)
        #expect(calls.first != calls.last)
    }

    @Test("an add has both its lines when it is done")
    func linesWhenDone() async throws {
        let service = FeedbackService(store: MemoryStore(), hooks: [try hook()])
        let added = try await service.add(FeedbackDraft(sessionID: "s"))
        let lines = try lines()
        #expect(lines.map { $0["event"] as? String } == ["before", "after"])
        #expect(lines.last?["feedback_id"] as? String == added.feedback.id?.description)
    }

    @Test("the comment is there when asked for, and no text breaks a line")
    func comments() async throws {
        let adding = Adding(try hook { $0.includesComment = true })
        let odd = "\"\\\u{1}\n\u{7F}\u{85}\u{9B}31m\u{A0}\u{2028}\u{2029}\u{202A}é🎉/end"
        let everything = String(
            String.UnicodeScalarView((1...0x2100).compactMap { Unicode.Scalar($0 as UInt32) })
        )
        let long = String(repeating: "\u{1}", count: FieldLimits.commentCodePointsMax)
        let session = String(repeating: "\u{2}", count: FieldLimits.idBytesMax)
        for comment in [odd, everything, long] { try await adding.add(comment, session: session) }
        let lines = try lines()
        #expect(
            lines.map { $0["comment"] as? String } == [
                odd, odd, everything, everything, long, long,
            ]
        )
        #expect(lines.allSatisfy { $0["session_id"] as? String == session })
        // The separators are not written unescaped either.
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for scalar in text.unicodeScalars where scalar != "\n" {
            #expect(scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value))
            #expect(scalar != "\u{2028}" && scalar != "\u{2029}")
        }
    }

    @Test("the file is for the owner alone, appended to, and kept as it is if it exists")
    func permissions() async throws {
        let old = umask(0)
        defer { umask(old) }
        try await Adding(try hook()).add()
        func mode() throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode() == 0o600)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        try await Adding(try hook()).add()
        #expect(try mode() == 0o640)
        #expect(try lines().count == 4)
    }

    @Test("a file that cannot be is refused at the start, by its path")
    func badFiles() throws {
        let target = folder.path("target")
        try Data().write(to: URL(fileURLWithPath: target))
        let link = folder.path("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
        let pipe = folder.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        for (file, reason) in [
            (folder.path, "directory"), (link, "symbolic link"), (pipe, "cannot be opened"),
            ("/dev/full", "not a regular file"), (folder.path("no/file"), "No such file"),
        ] {
            #expect {
                try hook { $0.file = file }
            } throws: {
                let error = $0 as? CallError
                return error?.code == .failedPrecondition
                    && error?.message.contains(file) == true
                    && error?.message.contains(reason) == true
            }
        }
    }

    @Test("an audit that would write nothing, or could not keep its promise, is refused")
    func uselessOptions() {
        for change in [
            {
                $0.file = nil
                $0.log = false
            },
            {
                $0.file = nil
                $0.isRequired = true
            },
        ] as [(inout AuditHook.Options) -> Void] {
            #expect {
                try hook(change)
            } throws: {
                ($0 as? CallError)?.code == .invalidArgument
            }
        }
    }

    @Test("lines of several threads and of several hooks on one file do not mix")
    func concurrency() async throws {
        let addings = try (0..<4).map { _ in Adding(try hook { $0.includesComment = true }) }
        let comment = String(repeating: "x", count: 5_000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for adding in addings {
                for task in 0..<4 {
                    group.addTask {
                        for _ in 0..<50 { try await adding.add(comment, session: "s\(task)") }
                    }
                }
            }
            try await group.waitForAll()
        }
        let lines = try lines()
        #expect(lines.count == 1_600)
        #expect(lines.allSatisfy { $0["comment"] as? String == comment })
        #expect(Set(lines.compactMap { $0["call"] as? Int }).count == 800)
    }

    @Test("callers' texts stay on their log line, with what would leave it made visible")
    func oneLogLine() async throws {
        let hook = try hook {
            $0.file = nil
            $0.includesComment = true
        }
        let draft = FeedbackDraft(
            sessionID: "s\nerror forged",
            comment: "a\r\u{85}\u{2028}é\tb",
            requestID: "r\u{1B}[31m\u{7F}"
        )
        _ = try await Adding(hook).service.add(draft)
        #expect(log.all.count == 2)
        for line in log.all {
            #expect(line.contains(#" session_id=s\nerror forged"#))
            #expect(line.contains(#" request_id=r\u{1b}[31m\u{7f}"#))
            #expect(line.contains(#" comment=a\r\u{85}\u{2028}é\tb "#))
            #expect(!line.unicodeScalars.contains { $0.properties.generalCategory == .control })
        }
    }

    @Test("what follows a line that a former process left torn begins a line of its own")
    func tornByFormer() async throws {
        for (former, lineCount) in [("", 2), ("{}\n", 3), ("{\"time\":", 3)] {
            try Data(former.utf8).write(to: URL(fileURLWithPath: path))
            try await Adding(try hook()).add()
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.hasPrefix(former))
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count == lineCount + 1 && lines.last == "")
            for line in lines.dropLast().suffix(2) {
                #expect(throws: Never.self) {
                    try JSONSerialization.jsonObject(with: Data(line.utf8))
                }
            }
        }
    }

    @Test("log lines are written when no file is named, and beside it when asked for")
    func logLines() async throws {
        try await Adding(try hook { $0.file = nil }).add("secret", rating: .up)
        #expect(log.all.count == 2)
        #expect(log.all[0].hasPrefix("info feedback before call="))
        #expect(log.all[1].hasPrefix("info feedback after call="))
        #expect(log.all[1].contains("comment_length=6 "))
        #expect(log.all[1].contains(" feedback_id="))
        #expect(!log.all.contains { $0.contains("secret") })
        try await Adding(
            try hook {
                $0.log = true
                $0.includesComment = true
            }
        ).add("not secret")
        #expect(log.all.count == 4)
        #expect(log.all[3].contains(" comment=not secret "))
        #expect(try lines().count == 2)
    }
}

/// A pipe of one page that nobody reads represents a full disk: a write larger than the free space
/// is cut, a write of up to a page fails.
@Suite("audit on a full disk")
struct FullDiskTests {
    private let log = LogLines()
    private let reader: FileHandle
    private let writer: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        for end in ends { try #require(fcntl(end, F_SETFL, O_NONBLOCK) == 0) }
        // F_SETPIPE_SZ, which Swift's module Glibc lacks.
        try #require(fcntl(ends[1], 1_031, 4_096) == 4_096)
        reader = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        writer = ends[1]
    }

    /// Makes a hook that owns the pipe's writing end.
    private func hook(required: Bool) -> AuditHook {
        var options = AuditHook.Options()
        options.isRequired = required
        options.includesComment = true
        let file = AuditFile(taking: writer, path: "FILE", logger: log.logger)
        return AuditHook(options, name: "audit", file: file, logger: nil)
    }

    private func read() throws -> [Substring] {
        String(decoding: try #require(try reader.readAvailable()), as: UTF8.self)
            .split(separator: "\n")
    }

    private func isJSON(_ line: Substring) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil
    }

    @Test("it is logged once, fails nothing, and is got over")
    func notRequired() async throws {
        let adding = Adding(hook(required: false))
        let long = String(repeating: "x", count: 5_000)
        // The first line is cut; the others are not written at all.
        for _ in 0..<10 { try await adding.add(long) }
        #expect(
            log.all.map { $0.hasPrefix("error the audit file FILE cannot be written: ") } == [true]
        )
        #expect(try read().count == 1)
        try await adding.add("short")
        #expect(log.all.count == 2)
        #expect(
            log.all.last?.hasPrefix("notice the audit file FILE is written again; 20 lines") == true
        )
        // The line after the cut one begins on a new line.
        let lines = try read()
        #expect(lines.count == 2)
        #expect(lines.allSatisfy(isJSON))
        #expect(try await adding.stored.count == 11)
    }

    @Test("with required nothing is stored without a line before")
    func required() async throws {
        let adding = Adding(hook(required: true))
        let error = await adding.failure(String(repeating: "x", count: 5_000))
        #expect(error?.code == .unavailable)
        #expect(error?.message == "the audit log cannot be written")
        #expect(try await adding.stored.isEmpty)
        _ = try read()
        try await adding.add()
        #expect(try read().count == 2)
    }

    @Test("with required nothing is OK without a line after, and a repetition gets the original")
    func requiredAfter() async throws {
        let adding = Adding(
            hook(required: true),
            AddHook { [writer] feedback, _, next in
                let added = try await next(feedback)
                let page = [UInt8](repeating: 0x0A, count: 4_096)
                if !added.replayed { while write(writer, page, 1) == 1 {} }
                return added
            }
        )
        let draft = FeedbackDraft(sessionID: "s", requestID: "r")
        await #expect {
            try await adding.service.add(draft)
        } throws: {
            ($0 as? CallError)?.code == .unavailable
        }
        #expect(try await adding.stored.count == 1)
        _ = try read()
        #expect(try await adding.service.add(draft).replayed)
        #expect(try await adding.stored.count == 1)
    }
}

extension FileHandle {
    /// Reads everything that is available now.
    fileprivate func readAvailable() throws -> Data? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(fileDescriptor, &bytes, bytes.count)
        return count < 0 ? nil : Data(bytes[..<count])
    }
}
