import FeedbackModel
import Synchronization
import TestSupport
import Testing

@testable import FeedbackCore

/// The deliveries of a cursor, to destinations that answer as the test says.
@Suite("cursors")
struct CursorTests {
    private let store = MemoryStore()
    private let service: FeedbackService

    init() { service = FeedbackService(store: store) }

    /// Runs destinations with short pauses.
    private func run(
        _ all: ScriptedDestination...,
        wallClock: WallClock = WallClock(),
        _ body: (Destinations) async throws -> Void
    ) async throws {
        var backoff = DeliveryBackoff()
        backoff.first = .milliseconds(5)
        backoff.awayMax = .milliseconds(40)
        backoff.refusedMax = .milliseconds(40)
        let destinations = try Destinations(
            all,
            store: store,
            backoff: backoff,
            wallClock: { wallClock.now }
        )
        destinations.start()
        // The cursors stand where the log ends now.
        _ = try await destinations.destinations()
        do {
            try await body(destinations)
        } catch {
            await destinations.stop()
            throw error
        }
        await destinations.stop()
    }

    private func add(_ comments: String..., session: String = "s") async throws {
        for comment in comments {
            _ = try await service.add(
                FeedbackDraft(sessionID: session, rating: .down, comment: comment)
            )
        }
    }

    private func expectSoon(
        sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () async throws -> Bool
    ) async throws {
        let holds = try await eventually(condition)
        #expect(holds, sourceLocation: sourceLocation)
    }

    @Test("every feedback with the rule's ratings is delivered once, with the counts up to it")
    func counts() async throws {
        let destination = ScriptedDestination()
        try await run(destination) { destinations in
            try await add("1", "2", session: "a")
            _ = try await service.add(FeedbackDraft(sessionID: "a", rating: .up, comment: "up"))
            try await add("3", session: "b")
            try await add("4", session: "a")
            try await expectSoon { destination.delivered.count == 4 }
            let alerts = destination.alerts.sorted { $0.totalCount < $1.totalCount }
            #expect(alerts.map(\.feedback.comment) == ["1", "2", "3", "4"])
            #expect(alerts.map(\.sessionCount) == [1, 2, 1, 3])
            #expect(alerts.map(\.totalCount) == [1, 2, 3, 4])
            try await expectSoon { try await destinations.destinations()[0].changesBehind == 0 }
        }
    }

    @Test("a cursor that starts late counts what was there up to each feedback")
    func late() async throws {
        for index in 0..<1_000 {
            let rating: Rating = index.isMultiple(of: 3) ? .down : .up
            let draft = FeedbackDraft(sessionID: "s\(index % 7)", rating: rating)
            _ = try await service.add(draft)
        }
        let destination = ScriptedDestination()
        let streak = ScriptedDestination(
            "streak",
            rule: AlertRule(name: "streak", condition: .inARow(2))
        )
        let share = ScriptedDestination(
            "share",
            rule: AlertRule(name: "share", condition: .share(ofLast: 4, above: 0.4))
        )
        try await run(destination, streak, share) { destinations in
            for name in ["c", "streak", "share"] {
                _ = try await destinations.rewind(name, to: nil)
            }
            try await expectSoon {
                try await destinations.destinations().allSatisfy { $0.changesBehind == 0 }
            }
        }
        let all = try await allFeedback()
        var counts: [String: Int64] = [:]
        var total: Int64 = 0
        var expected: [String: [Int64]] = [:]
        for feedback in all where feedback.rating == .down {
            counts[feedback.sessionID, default: 0] += 1
            total += 1
            expected["\(feedback.id!)"] = [counts[feedback.sessionID]!, total]
        }
        #expect(destination.alerts.count == expected.count)
        for alert in destination.alerts {
            #expect(
                expected["\(alert.feedback.id!)"] == [alert.sessionCount, alert.totalCount]
            )
        }
        for (rule, told) in [(streak.rule, streak.alerts), (share.rule, share.alerts)] {
            var expected: Set<FeedbackID?> = []
            for index in all.indices where all[index].rating == .down {
                let before = all[...index].filter {
                    if case .share = rule.condition {
                        true
                    } else {
                        $0.sessionID == all[index].sessionID
                    }
                }
                let newest = Array(before.map(\.rating).suffix(rule.historyLength).reversed())
                if rule.isMet(by: newest) { expected.insert(all[index].id) }
            }
            #expect(Set(told.map(\.feedback.id)) == expected)
            #expect(told.count == expected.count)
        }
        #expect(!share.alerts.isEmpty)
    }

    private func allFeedback() async throws -> [Feedback] {
        try await service.list(FeedbackQuery(pageSize: FieldLimits.pageSizeMax)).feedbacks
    }

    @Test("what is refused is attempted again, and the others go on")
    func refused() async throws {
        let destination = ScriptedDestination { alert in
            alert.feedback.comment == "bad" ? .refused("HTTP status 500") : .delivered
        }
        try await run(destination) { destinations in
            try await add("bad", "1", "2")
            try await expectSoon { destination.delivered.count == 2 }
            try await expectSoon { destination.sent.count { $0 == "bad" } >= 4 }
            let query = DeliveryQuery(destination: "c", state: .retrying)
            try await expectSoon {
                try await destinations.deliveries(query).deliveries.first?.attempts ?? 0 >= 3
            }
            let delivery = try #require(try await destinations.deliveries(query).deliveries.first)
            #expect(delivery.lastError == "HTTP status 500")
            let status = try await destinations.destinations()[0]
            #expect(status.changesBehind == 0, "the list has it")
            #expect(status.retryingCount == 1)
            destination.answer { _ in .delivered }
            try await expectSoon { destination.delivered == ["1", "2", "bad"] }
            try await expectSoon { try await destinations.destinations()[0].retryingCount == 0 }
        }
    }

    @Test("one that never answers holds up no other, and what follows is not repeated")
    func unanswered() async throws {
        let gate = Gate()
        let destination = ScriptedDestination(concurrency: 2) { alert in
            if alert.feedback.comment == "stuck" { await gate.pass() }
            return .delivered
        }
        try await run(destination) { destinations in
            try await add("stuck")
            await gate.waiting(1)
            for number in 0..<20 { try await add("\(number)") }
            try await expectSoon { destination.delivered.count == 20 }
            // The position passes the attempt, which the list has meanwhile.
            try await expectSoon { try await destinations.destinations()[0].changesBehind == 0 }
            #expect(try await destinations.destinations()[0].retryingCount == 1)
            #expect(destination.sent.count == 21)
            gate.open()
            try await expectSoon { try await destinations.destinations()[0].retryingCount == 0 }
            #expect(destination.delivered.last == "stuck")
            #expect(destination.sent.count == 21)
            #expect(destination.underWayMax == 2)
        }
    }

    @Test("while the destination is away nothing is copied, and all is delivered afterwards")
    func away() async throws {
        let destination = ScriptedDestination(limits: DeliveryLimits(attemptsMax: 1)) { _ in
            .away("Couldn't connect to server", retryDelay: nil)
        }
        try await run(destination) { destinations in
            for number in 0..<300 { try await add("\(number)") }
            try await expectSoon { destination.events.count >= 5 }
            let status = try await destinations.destinations()[0]
            #expect(status.changesBehind == 300)
            #expect(status.retryingCount == 0)
            #expect(status.deadCount == 0)
            #expect(status.nextAttemptAt != nil)
            try await expectSoon {
                try await destinations.destinations()[0].lastError == "Couldn't connect to server"
            }
            destination.answer { _ in .delivered }
            try await expectSoon { try await destinations.destinations()[0].changesBehind == 0 }
            #expect(Set(destination.delivered).count == 300)
            #expect(destination.delivered.count == 300)
            #expect(try await destinations.destinations()[0].nextAttemptAt == nil)
            #expect(destination.events.contains(.back))
        }
    }

    @Test("timeouts in a row are those of the destination, and one item's are its own")
    func timeouts() async throws {
        let destination = ScriptedDestination(concurrency: 1) { alert in
            alert.feedback.comment == "bad" ? .timedOut("Timeout was reached") : .delivered
        }
        try await run(destination) { destinations in
            try await add("bad")
            try await expectSoon { destination.sent.count >= 4 }
            #expect(!destination.events.contains { if case .away = $0 { true } else { false } })
            try await add("1")
            try await expectSoon { destination.delivered == ["1"] }
            destination.answer { _ in .timedOut("Timeout was reached") }
            for number in 2..<10 { try await add("\(number)") }
            try await expectSoon {
                destination.events.contains(.away("Timeout was reached", isFirst: true))
            }
            #expect(try await destinations.destinations()[0].retryingCount <= 3)
            destination.answer { _ in .delivered }
            try await expectSoon { destination.delivered.count == 10 }
        }
    }

    @Test("an item that nobody can take does not keep the destination away")
    func poison() async throws {
        let destination = ScriptedDestination(concurrency: 1) { _ in .timedOut("no") }
        try await run(destination) { _ in
            for number in 0..<6 { try await add("\(number)") }
            try await expectSoon {
                destination.events.contains { if case .away = $0 { true } else { false } }
            }
            destination.answer { $0.feedback.comment == "2" ? .timedOut("no") : .delivered }
            try await expectSoon { destination.delivered.count == 5 }
        }
    }

    @Test("after the attempts, an item is a dead letter, which can be retried and dropped")
    func deadByAttempts() async throws {
        let destination = ScriptedDestination(limits: DeliveryLimits(attemptsMax: 3)) { alert in
            alert.feedback.comment == "good" ? .delivered : .refused("no")
        }
        try await run(destination) { destinations in
            try await add("a", "good", "b")
            let query = DeliveryQuery(destination: "c", includesContent: true)
            try await expectSoon { try await destinations.deliveries(query).totalSize == 2 }
            let dead = try await destinations.deliveries(query).deliveries
            #expect(Set(dead.compactMap(\.feedback?.comment)) == ["a", "b"])
            #expect(dead.allSatisfy { $0.attempts == 3 && $0.state == .dead })
            #expect(destination.sent.count { $0 == "a" } == 3)
            let letter = try #require(dead.first { $0.feedback?.comment == "a" })
            destination.answer { _ in .delivered }
            let one = DeliverySelection(destination: "c", ids: [letter.id])
            #expect(try await destinations.retry(one) == 1)
            try await expectSoon { destination.delivered == ["good", "a"] }
            try await expectSoon { try await destinations.deliveries(query).totalSize == 1 }
            let all = DeliverySelection(destination: "c")
            #expect(try await destinations.drop(all) == 1)
            #expect(try await destinations.drop(all) == 0)
            #expect(try await destinations.retry(all) == 0)
            destination.answer { _ in .refused("no") }
            try await add("c")
            try await expectSoon { try await destinations.deliveries(query).totalSize == 1 }
            // What is left of a destination that is configured no more can still be seen and dropped.
            try await destinations.replace([])
            #expect(try await destinations.deliveries(query).totalSize == 1)
            #expect(try await destinations.drop(all) == 1)
            let unknown = await #expect(throws: CallError.self) {
                _ = try await destinations.drop(DeliverySelection(destination: "no"))
            }
            #expect(unknown?.code == .notFound)
        }
    }

    @Test("a pause holds until it ends, also over a restart")
    func pause() async throws {
        let destination = ScriptedDestination()
        try await run(destination) { destinations in
            #expect(try await destinations.pause("c").isPaused)
            try await add("1")
        }
        #expect(destination.sent.isEmpty)
        let again = ScriptedDestination()
        try await run(again) { destinations in
            #expect(try await destinations.destinations()[0].isPaused)
            #expect(try await destinations.destinations()[0].changesBehind == 1)
            #expect(try await !destinations.resume("c").isPaused)
            try await expectSoon { again.delivered == ["1"] }
        }
    }

    @Test("a rewind delivers again what came after the position")
    func rewind() async throws {
        let destination = ScriptedDestination()
        try await run(destination) { destinations in
            try await add("1", "2")
            try await expectSoon { try await destinations.destinations()[0].changesBehind == 0 }
            let position = try await destinations.destinations()[0].position
            try await add("3")
            try await expectSoon { destination.delivered.count == 3 }
            _ = try await destinations.rewind("c", to: position)
            try await expectSoon { destination.delivered.dropFirst(3) == ["3"] }
            _ = try await destinations.rewind("c", to: nil)
            try await expectSoon { destination.delivered.count == 7 }
            #expect(Set(destination.delivered.suffix(3)) == ["1", "2", "3"])
            await #expect(throws: CallError.self) {
                try await destinations.rewind("c", to: LogPosition("x"))
            }
            await #expect(throws: CallError.self) { try await destinations.rewind("no", to: nil) }
        }
    }

    @Test("what an earlier run left in the list is due at once, with its attempts")
    func restart() async throws {
        let first = ScriptedDestination { _ in .refused("no") }
        let clock = WallClock()
        try await run(first, wallClock: clock) { destinations in
            try await add("1")
            try await expectSoon { first.sent.count >= 3 }
        }
        let before = first.sent.count
        clock.step(by: -86_400)
        let second = ScriptedDestination(limits: DeliveryLimits(attemptsMax: before + 2)) { _ in
            .refused("no")
        }
        try await run(second, wallClock: clock) { destinations in
            try await expectSoon { try await destinations.destinations()[0].deadCount == 1 }
            #expect(second.sent.count == 2)
        }
    }

    @Test("steps of the clock move no attempt and make no dead letter", arguments: [1, -1])
    func clockSteps(_ days: Int) async throws {
        let clock = WallClock()
        let destination = ScriptedDestination { _ in .refused("no") }
        try await run(destination, wallClock: clock) { destinations in
            try await add("1")
            try await expectSoon { destination.sent.count >= 2 }
            for _ in 0..<3 {
                clock.step(by: days * 86_400)
                let before = destination.sent.count
                try await expectSoon { destination.sent.count >= before + 2 }
            }
            let status = try await destinations.destinations()[0]
            #expect(status.deadCount == 0)
            #expect(status.retryingCount == 1)
            destination.answer { _ in .away("gone", retryDelay: nil) }
            try await expectSoon { destination.events.contains(.away("gone", isFirst: true)) }
            clock.step(by: days * 86_400)
            destination.answer { _ in .delivered }
            try await expectSoon { destination.delivered == ["1"] }
        }
    }

    @Test("the time of an item counts while the destination answers, and not while it is away")
    func giveUpAfter() async throws {
        let limits = DeliveryLimits(giveUpAfter: .milliseconds(60))
        let destination = ScriptedDestination(limits: limits) { _ in
            .away("gone", retryDelay: nil)
        }
        try await run(destination) { destinations in
            try await add("1")
            let begin = ContinuousClock.now
            try await expectSoon { begin.duration(to: .now) > limits.giveUpAfter * 3 }
            #expect(try await destinations.destinations()[0].deadCount == 0)
            destination.answer { _ in .refused("no") }
            try await expectSoon { try await destinations.destinations()[0].deadCount == 1 }
            #expect(destination.events.contains(.dead("no")))
        }
    }

    @Test("a slow destination holds up no other, when they end either")
    func together() async throws {
        let gate = Gate()
        let slow = ScriptedDestination("slow") { _ in
            await gate.pass()
            return .delivered
        }
        let fast = ScriptedDestination("fast")
        try await run(slow, fast) { destinations in
            try await add("1", "2")
            try await expectSoon { fast.delivered.count == 2 }
            await gate.waiting(2)
            let replacing = Task { try await destinations.replace([ScriptedDestination("fast")]) }
            gate.open()
            try await replacing.value
            #expect(try await destinations.destinations().map(\.name) == ["fast"])
            #expect(slow.delivered.count == 2)
        }
    }

    @Test("a store without cursors, and names that are not different, are refused")
    func refusedDestinations() throws {
        let two = [ScriptedDestination(), ScriptedDestination()]
        #expect(throws: CallError.self) { try Destinations(two, store: store) }
    }
}

/// A wall clock that a test sets.
private final class WallClock: Sendable {
    private let offset = Mutex<Int64>(0)

    var now: Timestamp { Timestamp.now.advanced(byMilliseconds: offset.withLock { $0 }) }

    func step(by seconds: Int) { offset.withLock { $0 += Int64(seconds) * 1_000 } }
}
