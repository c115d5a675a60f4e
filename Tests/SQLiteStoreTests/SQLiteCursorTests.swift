import FeedbackCore
import FeedbackModel
import GRDB
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

/// Cursors on a database in which feedback is changed and deleted by others.
@Suite("cursors in a database")
struct SQLiteCursorTests {
    private let folder: TemporaryFolder
    private let store: SQLiteStore

    init() throws {
        folder = try TemporaryFolder()
        store = try SQLiteStore(path: folder.databasePath)
    }

    private func execute(_ sql: String) async throws {
        let queue = try DatabaseQueue(path: folder.databasePath)
        try await queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    @Test func what_waits_is_delivered_in_its_present_state() async throws {
        let receiver = AcceptingDestination(name: "c")
        receiver.refuses = true
        let destinations = try Destinations([receiver], store: store)
        destinations.start()
        _ = try await destinations.destinations()
        try await store.add(FeedbackDraft(sessionID: "s", rating: .down, comment: "former"))
        #expect(
            try await eventually { try await destinations.destinations()[0].retryingCount == 1 }
        )
        try await execute("UPDATE feedback SET comment = 'present', changed = 2, revision = 2")
        receiver.refuses = false
        #expect(await eventually { receiver.comments == ["present"] })
        #expect(
            try await eventually {
                let status = try await destinations.destinations()[0]
                return status.changesBehind == 0 && status.retryingCount == 0
            }
        )
        await destinations.stop()
        #expect(receiver.comments == ["present"])
        await store.close()
    }

    @Test func a_change_during_an_attempt_waits_for_its_end() async throws {
        let gate = Gate()
        let receiver = AcceptingDestination(name: "c", refusing: "former", after: gate)
        let destinations = try Destinations([receiver], store: store)
        destinations.start()
        _ = try await destinations.destinations()
        try await store.add(FeedbackDraft(sessionID: "s", rating: .down, comment: "former"))
        await gate.waiting(1)
        try await execute("UPDATE feedback SET comment = 'present'")
        try await store.change("present", revision: 2)
        try await store.add(FeedbackDraft(sessionID: "s", rating: .down, comment: "next"))
        #expect(await eventually { receiver.comments == ["next"] })
        // The cursor has read the change by now, and put the attempt into its list.
        #expect(
            try await eventually {
                let status = try await destinations.destinations()[0]
                return status.changesBehind == 0 && status.retryingCount == 1
            }
        )
        #expect(receiver.begun == ["former", "next"])
        gate.open()
        #expect(await eventually { receiver.comments == ["next", "present"] })
        #expect(
            try await eventually { try await destinations.destinations()[0].retryingCount == 0 }
        )
        await destinations.stop()
        #expect(receiver.begun == ["former", "next", "present"])
        await store.close()
    }

    @Test func a_number_that_a_cursor_has_passed_is_never_given_again() async throws {
        try await store.add(3)
        let end = try await store.cursors.open("c", from: .now, spread: .zero).position
        try await execute("DELETE FROM feedback")
        try await store.add(1)
        let batch = try await store.cursors.changes(
            after: end,
            of: "c",
            limit: 10,
            bytesMax: .max
        )
        #expect(batch.changes.map(\.number) == [end + 1])
        await store.close()
    }

    @Test func damaged_feedback_is_passed_over_and_counted() async throws {
        let receiver = AcceptingDestination(name: "c")
        let destinations = try Destinations([receiver], store: store)
        for comment in ["1", "2", "3"] {
            try await store.add(FeedbackDraft(sessionID: "s", rating: .down, comment: comment))
        }
        try await execute("UPDATE feedback SET tags = '{' WHERE comment = '2'")
        destinations.start()
        _ = try await destinations.rewind("c", to: nil)
        #expect(
            try await eventually { try await destinations.destinations()[0].skippedCount == 1 }
        )
        #expect(
            try await eventually { try await destinations.destinations()[0].changesBehind == 0 }
        )
        #expect(Set(receiver.comments) == ["1", "3"])
        await destinations.stop()
        await store.close()
    }

    @Test func a_change_of_former_feedback_makes_the_counts_anew() async throws {
        let receiver = AcceptingDestination(name: "c")
        let destinations = try Destinations([receiver], store: store)
        destinations.start()
        _ = try await destinations.destinations()
        for _ in 0..<2 { try await store.add(FeedbackDraft(sessionID: "s", rating: .down)) }
        #expect(await eventually { receiver.alerts.count == 2 })
        try await execute(
            """
            UPDATE feedback SET rating = 1, changed = 3, revision = 2 WHERE sequence = 1;
            UPDATE session_total SET down_bare = 1, up_bare = 1;
            """
        )
        try await store.add(FeedbackDraft(sessionID: "s", rating: .down))
        #expect(await eventually { receiver.alerts.count == 3 })
        #expect(receiver.alerts.last?.sessionCount == 2)
        #expect(receiver.alerts.last?.totalCount == 2)
        await destinations.stop()
        await store.close()
    }
}

/// A destination that takes everything, unless it refuses all or one comment.
final class AcceptingDestination: Destination {
    let name: String
    let kind = "test"
    let rule: AlertRule
    let concurrency = 4
    let limits = DeliveryLimits()
    private let received = Mutex<[Alert]>([])
    private let attempts = Mutex<[String]>([])
    private let isRefusing = Atomic(false)
    private let refused: (comment: String, gate: Gate)?

    /// Makes a destination; attempts with the comment are refused after they have passed the gate.
    init(name: String, refusing comment: String? = nil, after gate: Gate = Gate()) {
        self.name = name
        refused = comment.map { ($0, gate) }
        rule = AlertRule(name: name)
    }

    var refuses: Bool {
        get { isRefusing.load(ordering: .sequentiallyConsistent) }
        set { isRefusing.store(newValue, ordering: .sequentiallyConsistent) }
    }

    var alerts: [Alert] { received.withLock { $0 } }
    var comments: [String] { alerts.map(\.feedback.comment) }
    /// The comments of all attempts, in the order of their begin.
    var begun: [String] { attempts.withLock { $0 } }

    func deliver(_ alert: Alert) async -> DeliveryOutcome {
        attempts.withLock { $0.append(alert.feedback.comment) }
        if refuses { return .refused("no") }
        if let refused, alert.feedback.comment == refused.comment {
            await refused.gate.pass()
            return .refused("no")
        }
        received.withLock { $0.append(alert) }
        return .delivered
    }

    func report(_ event: DeliveryEvent) {}
}
