import FeedbackClient
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("watching a daemon", .serialized, .timeLimit(.minutes(5)))
struct WatchTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func client(_ path: String, attemptsMax: Int = 100) throws -> FeedbackClient {
        var options = FeedbackClient.Options()
        options.timeout = .seconds(60)
        options.attemptsMax = attemptsMax
        options.backoff = .milliseconds(5)
        options.backoffMax = .milliseconds(100)
        return try FeedbackClient(socket: path, options: options)
    }

    /// Starts a watch of everything over ttrpc, whose answers a test reads itself.
    private func rawWatch(_ daemon: Daemon) throws -> RawConnection {
        let connection = try RawConnection(daemon.socket)
        let request = Wire.request(
            "feedback.v1.FeedbackService",
            "WatchFeedbacks",
            Wire.field(4, 1)
        )
        connection.send(Wire.frame(stream: 1, flags: 1, request))
        return connection
    }

    /// The number of the event in a response: 1 for a change, 2 for a heartbeat.
    private func event(_ frame: RawConnection.Frame?) -> Int? {
        Wire.fields(frame?.data ?? Data()).first?.number
    }

    @Test("37: watches over both protocols end with UNAVAILABLE when the daemon stops")
    func drain() async throws {
        let daemon = try await Daemon(in: folder)
        _ = try daemon.control("add", "s", "--comment", "one")
        let raw = try rawWatch(daemon)
        let output = folder.path("follow")
        let grpc = try PythonClient.start(
            daemon.socket,
            ["follow"],
            output: output,
            errors: output
        )
        #expect(event(try raw.receiveFrame()) == 1)
        #expect(event(try raw.receiveFrame()) == 2)
        let start = "KIND_ADDED one\nat\n"
        #expect(try await eventually { try Programs.text(output) == start })
        #expect(daemon.terminate() == 0)
        let end = Wire.response(try #require(try raw.receiveFrame()).data)
        #expect(end.code == 14)
        #expect(try raw.isClosedByPeer())
        grpc.waitUntilExit()
        #expect(grpc.terminationStatus == 0)
        #expect(try Programs.text(output) == start + "end UNAVAILABLE\n")
    }

    @Test func a_watch_goes_on_over_kill_9_and_a_new_start() async throws {
        var daemon = try await Daemon(in: folder)
        let client = try client(daemon.socket)
        var changes = client.watchFeedbacks().makeAsyncIterator()
        var number = 0
        for _ in 0..<4 {
            for _ in 0..<100 {
                try await client.addFeedback(sessionID: "s", comment: "\(number)")
                #expect(try await changes.next()?.feedback.comment == "\(number)")
                number += 1
            }
            // What is added after the kill is seen, too.
            daemon.kill()
            daemon = try await Daemon(in: folder)
        }
        try await client.addFeedback(sessionID: "s", comment: "last")
        #expect(try await changes.next()?.feedback.comment == "last")
        client.close()
        #expect(daemon.terminate() == 0)
    }

    /// A row that is changed gets the next number, as a later daemon gives it.
    private func change(_ daemon: Daemon, _ set: String, where condition: String) throws {
        _ = try daemon.sqlite(
            """
            PRAGMA busy_timeout = 20000;
            BEGIN IMMEDIATE;
            UPDATE feedback SET \(set), revision = ifnull(revision, 1) + 1, changed = 1 + max(
                (SELECT max(sequence) FROM feedback),
                ifnull((SELECT max(changed) FROM feedback), 0)
            ) WHERE \(condition);
            COMMIT;
            """
        )
    }

    @Test func changes_of_other_processes_come_as_updates_and_as_what_left() async throws {
        let daemon = try await Daemon(in: folder)
        let client = try client(daemon.socket)
        for rating in [Rating.up, .down] {
            try await client.addFeedback(sessionID: "s", rating: rating, comment: "\(rating)")
        }
        let filter = FeedbackFilter(ratings: [.down])
        var changes = client.watchFeedbacks(WatchQuery(filter)).makeAsyncIterator()
        #expect(try await changes.next()?.feedback.comment == "down")
        try change(daemon, "comment = 'changed'", where: "rating = 2")
        let updated = try await changes.next()
        #expect(updated?.kind == .updated)
        #expect(updated?.feedback.comment == "changed")
        try change(daemon, "rating = 1", where: "rating = 2")
        let left = try await changes.next()
        #expect(left?.kind == .left)
        #expect(left?.feedback.id == updated?.feedback.id)
        #expect(left?.feedback.sessionID == "s")
        #expect(left?.feedback.comment == "")
        // A stream that begins now has each in its present state.
        var kinds: [FeedbackChange.Kind] = []
        for try await change in client.watchFeedbacks(WatchQuery(follows: false)) {
            kinds.append(change.kind)
        }
        #expect(kinds == [.added, .updated])
        client.close()
        #expect(daemon.terminate() == 0)
    }

    @Test func under_cuts_and_load_the_states_of_each_feedback_come_in_order() async throws {
        let daemon = try await Daemon(in: folder)
        let cuts = Atomic(0)
        let relay = try SocketRelay(at: folder.path("r.sock"), to: daemon.socket) {
            let cut = cuts.add(1, ordering: .relaxed).newValue
            return cut <= 50 ? 100 + cut * 7_919 % 12_000 : nil
        }
        let client = try client(daemon.socket)
        let watcher = try self.client(folder.path("r.sock"))
        try await client.addFeedback(sessionID: "changed", comment: "0")
        let over = Flag()
        async let load: Void = withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    while !over.isSet {
                        try await client.addFeedback(sessionID: "s\(writer)", comment: "load")
                    }
                }
            }
            try await group.waitForAll()
        }
        async let states: [Int] = {
            var states: [Int] = []
            for try await change in watcher.watchFeedbacks(
                WatchQuery(FeedbackFilter(sessionID: "changed"))
            ) {
                states.append(Int(change.feedback.comment) ?? -1)
                if states.last == 100 { break }
            }
            return states
        }()
        async let ids: Set<FeedbackID?> = {
            var ids: Set<FeedbackID?> = []
            for try await change in watcher.watchFeedbacks() {
                ids.insert(change.feedback.id)
                if relay.cutCount >= 50, change.feedback.comment == "end" { break }
            }
            return ids
        }()
        for state in 1...100 {
            try change(daemon, "comment = '\(state)'", where: "session = 1")
        }
        let seen = try await states
        #expect(seen == seen.sorted())
        #expect(seen.last == 100)
        #expect(await eventually(within: .seconds(60)) { relay.cutCount >= 50 })
        over.set()
        try await load
        try await client.addFeedback(sessionID: "s", comment: "end")
        let stored = Int(try daemon.sqlite("SELECT count(*) FROM feedback"))
        #expect(try await ids.count == stored)
        client.close()
        watcher.close()
        #expect(daemon.terminate() == 0)
    }

    @Test func a_watcher_that_reads_nothing_slows_nobody_and_costs_little() async throws {
        let daemon = try await Daemon(in: folder)
        let client = try client(daemon.socket)
        let comment = String(repeating: "x", count: 10_000)
        try await client.addFeedback(sessionID: "s", comment: comment)
        let watchers = try (0..<10).map { _ in try rawWatch(daemon) }
        for watcher in watchers { #expect(event(try watcher.receiveFrame()) == 1) }
        let before = try daemon.status("VmRSS")
        // 20 MB, ten times that for all watchers together.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<250 {
                        try await client.addFeedback(sessionID: "s", comment: comment)
                    }
                }
            }
            try await group.waitForAll()
        }
        // Each has 256 KiB of output and a page of 256 KiB; the store's own caches grow as well.
        #expect(try daemon.status("VmRSS") - before < 60_000)
        // One of them reads on, and misses nothing.
        var count = 1
        while count < 2_001, event(try watchers[0].receiveFrame()) != nil { count += 1 }
        #expect(count >= 2_001)
        client.close()
        #expect(daemon.terminate() == 0)
    }

    // MARK: - feedbackctl

    @Test func feedbackctl_prints_what_is_there_as_text_and_as_json() async throws {
        let daemon = try await Daemon(in: folder)
        for (rating, comment) in [("up", "one"), ("down", "two\nlines"), ("none", "")] {
            _ = try daemon.control("add", "s", "--rating", rating, "--comment", comment)
        }
        let text = try daemon.control("watch", "--no-follow")
        #expect(text.code == 0)
        let lines = text.output.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.first?.hasSuffix("Z  added  s  up  one") == true)
        #expect(lines.dropFirst().first?.hasSuffix("added  s  down  two\\nlines") == true)
        #expect(lines.last?.hasSuffix("added  s  none") == true)
        let json = try daemon.control("watch", "s", "--no-follow", "--json", "--rating", "down")
        let line = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
        let object = try #require(line as? [String: Any])
        #expect(Set(object.keys) == ["kind", "position", "feedback"])
        #expect(object["kind"] as? String == "added")
        #expect((object["feedback"] as? [String: Any])?["comment"] as? String == "two\nlines")
        let position = try #require(object["position"] as? String)
        let rest = try daemon.control("watch", "--from", position, "--no-follow")
        #expect(rest.output.split(separator: "\n").count == 1)
        #expect(try daemon.control("watch", "--from-now", "--no-follow").output == "")
        #expect(daemon.terminate() == 0)
    }

    @Test func feedbackctl_refuses_what_makes_no_sense() async throws {
        let daemon = try await Daemon(in: folder)
        #expect(try daemon.control("watch", "--from", "x", "--from-now").code == 64)
        let malformed = try daemon.control("watch", "--from", "x")
        #expect(malformed.code == 1)
        #expect(malformed.errors.hasPrefix("feedbackctl: INVALID_ARGUMENT"))
        let foreign = try daemon.control("watch", "--from", "0123456789abcdef-0")
        #expect(foreign.code == 1)
        #expect(foreign.errors.contains("OUT_OF_RANGE"))
        #expect(foreign.errors.contains("begin again"))
        #expect(daemon.terminate() == 0)
        #expect(try daemon.control("watch").code == 2)
    }

    private func start(_ daemon: Daemon, _ arguments: String...) throws -> Process {
        try Programs.start(
            Programs.path("feedbackctl"),
            ["--socket", daemon.socket, "watch"] + arguments,
            output: folder.path("out"),
            errors: folder.path("err")
        )
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func feedbackctl_follows_until_it_is_interrupted(_ signal: Int32) async throws {
        let daemon = try await Daemon(in: folder)
        let watch = try start(daemon)
        for comment in ["one", "two"] {
            _ = try daemon.control("add", "s", "--comment", comment)
            let isPrinted = try await eventually {
                try Programs.text(folder.path("out")).hasSuffix("\(comment)\n")
            }
            #expect(isPrinted)
        }
        kill(watch.processIdentifier, signal)
        watch.waitUntilExit()
        #expect(watch.terminationReason == .exit)
        #expect(watch.terminationStatus == 0)
        #expect(try Programs.text(folder.path("err")) == "")
        #expect(daemon.terminate() == 0)
    }

    @Test func feedbackctl_says_where_it_was_when_the_daemon_stays_away() async throws {
        let daemon = try await Daemon(in: folder)
        let watch = try start(daemon, "--json", "--timeout", "1")
        _ = try daemon.control("add", "s")
        let isPrinted = try await eventually {
            try Programs.text(folder.path("out")).hasSuffix("\n")
        }
        #expect(isPrinted)
        #expect(daemon.terminate() == 0)
        watch.waitUntilExit()
        #expect(watch.terminationStatus == 1)
        let errors = try Programs.text(folder.path("err"))
        #expect(errors.contains("UNAVAILABLE"))
        let position = try #require(errors.split(separator: " ").last?.dropLast())
        let next = try await Daemon(in: folder)
        let rest = try next.control("watch", "--from", String(position), "--no-follow")
        #expect(rest.code == 0)
        #expect(rest.output == "")
        #expect(next.terminate() == 0)
    }
}

/// A flag that is set once.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }

    func set() { value.store(true, ordering: .sequentiallyConsistent) }
}
