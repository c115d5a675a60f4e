import FeedbackCore
import FeedbackModel
import Foundation
import MongoServers
import StoreContract
import TestSupport
import Testing

@testable import MongoStore

/// The log of changes, with the writes of other daemons and of the guide's Python programs.
struct MongoLogTests {
    private let database = SharedServer.newDatabase()

    private func sessions() async throws -> Sessions {
        try Sessions(await SharedServer.uri(), database: database)
    }

    // MARK: Other writers

    @Test func what_the_python_package_adds_is_seen() async throws {
        let store = try await TestStore.open(database: database)
        let log = try await store.readLog(from: .now, context: CallContext())
        try await python("add", "s", "up", "first", "_validated_at=2024-01-22T15:00:00")
        try await python("add", "s", "down", "second", "_validated_at=2024-01-22T15:00:01")
        let changes = try await log.read(2)
        #expect(changes.map(\.feedback) == (try await store.all()))
        #expect(changes.map(\.feedback.comment) == ["first", "second"])
        #expect(changes.allSatisfy { $0.feedback.id == nil && $0.kind == .added })
        await log.close()
        #expect(try await store.log(2).map(\.feedback) == changes.map(\.feedback))
        await store.close()
    }

    private func python(_ arguments: String..., file: String = #filePath) async throws {
        let root = URL(fileURLWithPath: file).appending(path: "../../..").standardized.path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "\(root)/.build/pymongo/bin/python")
        process.arguments =
            [
                "\(root)/Tests/IntegrationTests/python/guide_package.py",
                try await SharedServer.uri(),
            ]
            + [database] + arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test func what_another_daemon_adds_is_seen() async throws {
        let store = try await TestStore.open(database: database)
        let other = try await TestStore.open(database: database)
        let log = try await store.readLog(from: .now, context: CallContext())
        var added: [Feedback] = []
        for number in 0..<10 {
            let writer = number.isMultiple(of: 2) ? store : other
            let draft = FeedbackDraft(sessionID: "s\(number % 3)", comment: "\(number)")
            added.append(try await writer.add(draft).feedback)
        }
        #expect(try await log.read(10).map(\.feedback) == added)
        await log.close()
        await other.close()
        await store.close()
    }

    @Test func a_date_that_is_a_text_is_understood_as_in_lists() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        let log = try await store.readLog(from: .now, context: CallContext())
        let element: BSON = ["comment": "1", "created_at": "2024-01-22T15:00:00+00:00"]
        try sessions.insert(["_id": "s", "feedbacks": [element]])
        try sessions.update("s", ["$push": ["feedbacks": element]])
        let changes = try await log.read(2)
        #expect(changes.map(\.feedback) == (try await store.all()))
        #expect(changes[0].feedback.createdAt.millisecondsSinceEpoch == 1_705_935_600_000)
        await log.close()
        await store.close()
    }

    // MARK: Order and resumption

    @Test func concurrent_adds_of_a_session_come_in_the_order_of_its_array() async throws {
        let store = try await TestStore.open(database: database)
        let log = try await store.readLog(from: .now, context: CallContext())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                group.addTask {
                    _ = try await store.add(FeedbackDraft(sessionID: "s\(number % 4)"))
                }
            }
            try await group.waitForAll()
        }
        let read = try await log.read(300).map(\.feedback)
        for session in (0..<4).map({ "s\($0)" }) {
            let stored = try await store.all(FeedbackQuery(sessionID: session))
            #expect(read.filter { $0.sessionID == session } == stored)
        }
        await log.close()
        await store.close()
    }

    @Test func a_reader_goes_on_after_each_change_of_one_write() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        let log = try await store.readLog(from: .now, context: CallContext())
        try sessions.insert(["_id": "s", "feedbacks": [element(0), element(1)]])
        try sessions.update(
            "s",
            ["$push": ["feedbacks": ["$each": .array((2..<7).map(element))]]]
        )
        _ = try await store.add(FeedbackDraft(sessionID: "t", comment: "7"))
        let changes = try await log.read(8)
        #expect(changes.map(\.feedback.comment) == (0..<8).map { "\($0)" })
        #expect(Set(changes.map(\.position)).count == 8)
        for (index, change) in changes.enumerated() {
            let rest = try await store.log(7 - index, from: .after(change.position))
            #expect(rest == Array(changes[(index + 1)...]))
        }
        await log.close()
        await store.close()
    }

    @Test func every_position_of_a_reader_from_the_beginning_goes_on_after_its_change() async throws
    {
        let store = try await TestStore.open(database: database)
        for number in 0..<9 {
            _ = try await store.add(
                FeedbackDraft(sessionID: "s\(number / 3)", comment: "\(number)")
            )
        }
        let changes = try await store.log(9)
        #expect(changes.map(\.feedback.comment) == (0..<9).map { "\($0)" })
        for (index, change) in changes.enumerated().dropLast() {
            let rest = try await store.log(8 - index, from: .after(change.position))
            #expect(rest == Array(changes[(index + 1)...]))
        }
        await store.close()
    }

    @Test func twenty_stops_at_random_miss_nothing_and_keep_each_sessions_order() async throws {
        let store = try await TestStore.open(database: database)
        for number in 0..<50 {
            _ = try await store.add(FeedbackDraft(sessionID: "s\(number % 5)"))
        }
        async let writing: Void = withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    for _ in 0..<50 {
                        _ = try await store.add(FeedbackDraft(sessionID: "s\(number % 5)"))
                    }
                }
            }
            try await group.waitForAll()
        }
        var start = LogStart.beginning
        var seen: [Feedback] = []
        var known: Set<Feedback> = []
        for stop in 0...20 {
            let log = try await store.readLog(from: start, context: CallContext())
            var pages = stop == 20 ? .max : Int.random(in: 1...3)
            while pages > 0, known.count < 450 {
                let page = try await log.next(
                    limit: .random(in: 1...20),
                    patience: .seconds(20),
                    context: CallContext()
                )
                guard !page.changes.isEmpty else { break }
                // Some of the page is lost with the reader.
                let kept = page.changes.prefix(.random(in: 1...page.changes.count))
                for change in pages == 1 ? kept : page.changes[...] {
                    if known.insert(change.feedback).inserted { seen.append(change.feedback) }
                    start = .after(change.position)
                }
                pages -= 1
            }
            await log.close()
        }
        try await writing
        let stored = try await store.all()
        #expect(known == Set(stored))
        for session in (0..<5).map({ "s\($0)" }) {
            let array = try await store.all(FeedbackQuery(sessionID: session))
            #expect(seen.filter { $0.sessionID == session } == array)
        }
        await store.close()
    }

    @Test func a_reader_that_has_fallen_behind_the_feed_misses_nothing() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        let slow = try await store.readLog(from: .now, context: CallContext())
        let quick = try await store.readLog(from: .now, context: CallContext())
        let lengths = [9_000, 9_000, 9_000, 2_500]
        for (number, length) in lengths.enumerated() {
            let elements = (0..<length).map { element(number * 9_000 + $0) }
            try sessions.insert(["_id": .string("s\(number)"), "feedbacks": .array(elements)])
        }
        // The feed has all of it, and keeps only the end.
        _ = try await quick.read(29_500)
        let read = try await slow.read(29_500)
        #expect(read.map(\.feedback.comment) == (0..<29_500).map { "\($0)" })
        await slow.close()
        await quick.close()
        await store.close()
    }

    @Test func a_thousand_readers_share_one_stream() async throws {
        let store = try await TestStore.open(database: database)
        var logs: [any LogReader] = []
        for _ in 0..<1_000 {
            logs.append(try await store.readLog(from: .now, context: CallContext()))
        }
        let added = try await store.add(FeedbackDraft(sessionID: "s")).feedback
        for log in logs { #expect(try await log.read(1).map(\.feedback) == [added]) }
        for log in logs { await log.close() }
        // The next reader needs a new stream.
        let log = try await store.readLog(from: .now, context: CallContext())
        let next = try await store.add(FeedbackDraft(sessionID: "s")).feedback
        #expect(try await log.read(1).map(\.feedback) == [next])
        await log.close()
        await store.close()
    }

    @Test func session_ids_of_every_length_are_gone_on_after() async throws {
        let store = try await TestStore.open(database: database)
        let names = [
            String(repeating: "\u{e9}", count: 127) + "a", String(repeating: "z", count: 3_000),
        ]
        let sessions = try await sessions()
        for name in names {
            try sessions.insert(["_id": .string(name), "feedbacks": [element(1)]])
        }
        _ = try await store.add(FeedbackDraft(sessionID: "a", comment: "0"))
        let log = try await store.readLog(from: .beginning, context: CallContext())
        var changes: [FeedbackChange] = []
        while changes.count < 3 {
            changes += try await log.next(limit: 1, patience: .seconds(20), context: CallContext())
                .changes
        }
        #expect(changes.map(\.feedback.sessionID) == ["a"] + names.reversed())
        for change in changes { #expect(change.position.text.utf8.count <= LogPosition.bytesMax) }
        // The long one has no position of its own: it is read again.
        let rest = try await store.log(2, from: .after(changes[1].position))
        #expect(rest.map(\.feedback.sessionID) == names.reversed())
        await log.close()
        await store.close()
    }

    // MARK: Other changes

    @Test func an_element_that_is_changed_in_place_comes_as_it_is_now() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        try sessions.insert(["_id": "s", "feedbacks": .array((0..<4).map(element))])
        let log = try await store.readLog(from: .now, context: CallContext())
        try sessions.update("s", ["$set": ["feedbacks.2.comment": "changed"]])
        let change = try #require(try await log.read(1).first)
        #expect(change.kind == .updated)
        #expect(change.feedback.comment == "changed")
        try sessions.update("s", ["$unset": ["feedbacks.1.comment": ""]])
        let further = try #require(try await log.read(1).first)
        #expect(further.kind == .updated)
        #expect(further.feedback.comment.isEmpty)
        await log.close()
        await store.close()
    }

    @Test func a_replaced_array_comes_again_and_what_is_removed_is_not_told() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        try sessions.insert(["_id": "s", "feedbacks": .array((0..<4).map(element))])
        let log = try await store.readLog(from: .now, context: CallContext())
        try sessions.update("s", ["$pull": ["feedbacks": ["comment": "1"]]])
        #expect(try await log.read(3).map(\.feedback.comment) == ["0", "2", "3"])
        try sessions.update("s", ["feedbacks": [element(9)]])
        #expect(try await log.read(1).map(\.feedback.comment) == ["9"])
        try sessions.run([
            "delete": "sessions", "deletes": [["q": ["_id": "s"], "limit": 1]],
        ])
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "new"))
        #expect(try await log.read(1).map(\.feedback.comment) == ["new"])
        await log.close()
        await store.close()
    }

    @Test func what_others_write_beside_feedback_is_not_in_the_log() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "0"))
        let log = try await store.readLog(from: .now, context: CallContext())
        try sessions.update("s", ["$set": ["metadata.feedbacks": [["comment": "no"]]]])
        try sessions.update("s", ["$set": ["agents": ["a": ["messages": [["text": "no"]]]]]])
        try sessions.insert(["_id": 5, "feedbacks": [element(5)]])
        try sessions.insert(["_id": "t", "feedbacks": ["comment": "no array"]])
        try sessions.insert(["_id": "u", "feedbacks": [nil, "text"]])
        try sessions.update("s", ["$push": ["feedbacks": "text"]])
        _ = try await store.add(FeedbackDraft(sessionID: "v", comment: "1"))
        #expect(try await log.read(1).map(\.feedback.comment) == ["1"])
        await log.close()
        await store.close()
    }

    // MARK: Refusals and ends

    @Test func positions_without_a_history_are_refused_with_what_to_do() async throws {
        let store = try await TestStore.open(database: database)
        let log = try await store.readLog(from: .now, context: CallContext())
        for comment in ["1", "2"] {
            _ = try await store.add(FeedbackDraft(sessionID: "s", comment: comment))
        }
        let end = try #require(try await log.read(2).first).position.text
        let scanned = try #require(try await store.log(2).first).position.text
        let parts = end.split(separator: "-")
        let (uuid, time) = (String(parts[0]), String(parts[1]))
        let other = String(repeating: "0", count: 32)
        for text in [
            "\(other)-\(time)-0", other + scanned.dropFirst(32),  // another collection
            "\(uuid)-7fffffff00000001-0",  // later than the last write
            "\(uuid)-\(time)-5",  // a moment that has no such change
        ] {
            await expectRefusal(of: text, by: store)
        }
        for text in [
            "", "-", "\(uuid)-\(time)", "\(end)-zz", "\(end)-0", "\(uuid)-1-0", "\(end)-00-",
            "\(uuid)-\(time)--1", "x\(end)", "\(end) ",
        ] {
            let code = await errorCode {
                try await store.readLog(from: .after(LogPosition(text)), context: CallContext())
            }
            #expect(code == .invalidArgument, "\(text)")
        }
        await log.close()
        await store.close()
    }

    private func expectRefusal(of text: String, by store: MongoStore) async {
        let error = await #expect(throws: CallError.self, "\(text)") {
            _ = try await store.readLog(from: .after(LogPosition(text)), context: CallContext())
        }
        #expect(error?.code == .outOfRange, "\(text)")
        #expect(error?.message.contains("begin again without a position") == true)
    }

    @Test func a_position_whose_changes_have_left_the_oplog_is_refused() async throws {
        let server = try await ReplicaSet(
            members: 1,
            oplogMegabytes: 1,
            arguments: ["--syncdelay", "1"]
        )
        let store = try await TestStore.open(server.uri, database: database)
        let sessions = try Sessions(server.uri, database: database)
        let log = try await store.readLog(from: .now, context: CallContext())
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "1"))
        let position = try #require(try await log.read(1).first).position
        await log.close()
        let filling = String(repeating: "x", count: 1 << 20)
        var number: Int32 = 0
        let isGone = try await eventually(within: .seconds(60)) {
            number += 1
            try sessions.run([
                "insert": "filling",
                "documents": [["_id": .int32(number), "text": .string(filling)]],
            ])
            return await errorCode {
                try await store.readLog(from: .after(position), context: CallContext())
            } == .outOfRange
        }
        #expect(isGone)
        await expectRefusal(of: position.text, by: store)
        #expect(try await store.log(1).map(\.feedback.comment) == ["1"])
        await store.close()
    }

    @Test func a_dropped_collection_ends_its_readers_and_their_positions() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "1"))
        let log = try await store.readLog(from: .now, context: CallContext())
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "2"))
        let position = try #require(try await log.read(1).first).position
        try sessions.run(["drop": "sessions"])
        #expect(await errorCode { try await log.read(1) } == .outOfRange)
        await log.close()
        // The daemon's next add makes the collection anew.
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "3"))
        let code = await errorCode {
            try await store.readLog(from: .after(position), context: CallContext())
        }
        #expect(code == .outOfRange)
        #expect(try await store.log(1).map(\.feedback.comment) == ["3"])
        await store.close()
    }

    @Test func a_reader_of_a_collection_that_does_not_exist_sees_its_first_feedback() async throws {
        let sessions = try await sessions()
        // Without an index, nothing makes the collection.
        try sessions.insert(["_id": "s"])
        let store = try await TestStore.open(database: database)
        #expect(try await eventually { try sessions.indexNames().count == 2 })
        try sessions.run(["drop": "sessions"])
        let log = try await store.readLog(from: .now, context: CallContext())
        let empty = try await log.next(limit: 1, patience: .zero, context: CallContext())
        #expect(empty.changes.isEmpty)
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "1"))
        let change = try #require(try await log.read(1).first)
        #expect(change.feedback.comment == "1")
        let again = try await store.log(1, from: .after(empty.position))
        #expect(again.map(\.feedback.comment) == ["1"])
        _ = try await store.add(FeedbackDraft(sessionID: "s", comment: "2"))
        let next = try await store.log(1, from: .after(change.position))
        #expect(next.map(\.feedback.comment) == ["2"])
        await log.close()
        await store.close()
    }

    @Test func a_standalone_server_is_a_failed_precondition() async throws {
        let server = try StandaloneServer()
        let store = try await TestStore.open(server.uri, database: database)
        let error = await #expect(throws: CallError.self) {
            _ = try await store.readLog(from: .now, context: CallContext())
        }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("it needs a replica set") == true)
        await store.close()
    }

    @Test func waiting_ends_with_the_task_and_with_the_store() async throws {
        let store = try await TestStore.open(database: database)
        let log = try await store.readLog(from: .now, context: CallContext())
        let other = try await store.readLog(from: .now, context: CallContext())
        let waiting = Task {
            try await log.next(limit: 1, patience: .seconds(600), context: CallContext())
        }
        let further = Task {
            try await other.next(limit: 1, patience: .seconds(600), context: CallContext())
        }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { _ = try await waiting.value }
        await store.close()
        #expect(await errorCode { try await further.value } == .unavailable)
        #expect(
            await errorCode { try await store.readLog(from: .now, context: CallContext()) }
                == .unavailable
        )
    }

    private func element(_ number: Int) -> BSON {
        ["comment": .string("\(number)"), "rating": "up", "created_at": .date(Int64(number))]
    }
}

extension LogReader {
    /// Reads until there are `count` changes; fewer if none come for a while.
    func read(_ count: Int) async throws -> [FeedbackChange] {
        var changes: [FeedbackChange] = []
        while changes.count < count {
            let page = try await next(
                limit: 1_000,
                patience: .seconds(20),
                context: CallContext()
            )
            guard !page.changes.isEmpty else { break }
            changes += page.changes
        }
        return changes
    }
}

extension Store {
    /// Reads at least `count` changes with a reader of its own.
    func log(_ count: Int, from start: LogStart = .beginning) async throws -> [FeedbackChange] {
        let log = try await readLog(from: start, context: CallContext())
        let changes = try await log.read(count)
        await log.close()
        return changes
    }
}
