import FeedbackCore
import FeedbackModel
import Synchronization
import TestSupport
import Testing

@Suite("streams of changes", .timeLimit(.minutes(5)))
struct LogWatchTests {
    /// A store whose log is what a test says; everything else is in memory.
    private struct ScriptedStore: Store {
        let memory = MemoryStore()
        let log: ScriptedLog

        func commit(_ change: AcceptedChange, context: CallContext) async throws -> ChangeOutcome {
            try await memory.commit(change, context: context)
        }

        func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage {
            try await memory.list(query, context: context)
        }

        func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport {
            try await memory.metrics(query, context: context)
        }

        func metadata(
            ofSession sessionID: String,
            context: CallContext
        ) async throws -> Metadata? {
            try await memory.metadata(ofSession: sessionID, context: context)
        }

        func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
            log
        }

        func health() async -> StoreHealth { .serving }

        func close() async {}
    }

    /// Pages in order, and then the end of the log.
    private final class ScriptedLog: LogReader {
        private let pages: Mutex<[LogPage]>
        let patience = Mutex<[Duration]>([])
        let isClosed = Mutex(false)

        init(_ pages: [LogPage]) { self.pages = Mutex(pages) }

        func next(
            limit: Int,
            patience: Duration,
            context: CallContext
        ) async throws -> LogPage {
            self.patience.withLock { $0.append(patience) }
            if let page = pages.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return page }
            try await Task.sleep(for: max(.zero, patience))
            return LogPage(changes: [], position: LogPosition("end"), isAtEnd: true)
        }

        func close() async { isClosed.withLock { $0 = true } }
    }

    private static func change(
        _ kind: FeedbackChange.Kind,
        _ number: UInt64,
        session: String = "s",
        rating: Rating = .up
    ) -> FeedbackChange {
        FeedbackChange(
            position: LogPosition("p\(number)"),
            kind: kind,
            feedback: Feedback(
                id: FeedbackID(high: 1, low: number),
                draft: FeedbackDraft(sessionID: session, rating: rating, comment: "\(number)"),
                createdAt: Timestamp(millisecondsSinceEpoch: 1),
                updatedAt: Timestamp(millisecondsSinceEpoch: 2)
            )
        )
    }

    private static func page(_ changes: [FeedbackChange], isAtEnd: Bool = true) -> LogPage {
        LogPage(
            changes: changes,
            position: changes.last?.position ?? LogPosition("p0"),
            isAtEnd: isAtEnd
        )
    }

    private func service(
        _ log: ScriptedLog,
        heartbeatInterval: Duration = .seconds(3_600)
    ) -> FeedbackService {
        FeedbackService(store: ScriptedStore(log: log), heartbeatInterval: heartbeatInterval)
    }

    /// Returns the events of a stream that ends.
    private func events(_ query: WatchQuery, of log: ScriptedLog) async throws -> [WatchEvent] {
        var query = query
        query.follows = false
        var events: [WatchEvent] = []
        var watch = try await service(log).watch(query)
        try await watch.deliver { events.append($0) }
        #expect(log.isClosed.withLock { $0 })
        return events
    }

    @Test func all_changes_come_and_then_the_position() async throws {
        let changes = [
            Self.change(.added, 1), Self.change(.updated, 2, rating: .down),
            Self.change(.deleted, 3), Self.change(.left, 4),
        ]
        let log = ScriptedLog([
            Self.page(Array(changes[..<2]), isAtEnd: false), Self.page(Array(changes[2...])),
        ])
        let events = try await events(WatchQuery(), of: log)
        #expect(events == changes.map { .change($0) } + [.heartbeat(LogPosition("p4"))])
        // Nothing is waited for before the end of the log.
        #expect(log.patience.withLock { $0 } == [.zero, .zero])
    }

    @Test func a_filter_lets_through_what_it_must_and_says_what_left() async throws {
        let log = ScriptedLog([
            Self.page([
                Self.change(.added, 1), Self.change(.added, 2, rating: .down),
                Self.change(.updated, 3), Self.change(.updated, 4, rating: .down),
                Self.change(.deleted, 5), Self.change(.updated, 6, session: "t"),
                Self.change(.updated, 7, session: "t", rating: .down),
                Self.change(.deleted, 8, session: "t"), Self.change(.left, 9, session: "t"),
            ])
        ])
        let filter = FeedbackFilter(sessionID: "s", ratings: [.down])
        let events = try await events(WatchQuery(filter), of: log)
        var left = Self.change(.left, 3)
        left.feedback.draft = FeedbackDraft(sessionID: "s")
        #expect(
            events == [
                .change(Self.change(.added, 2, rating: .down)), .change(left),
                .change(Self.change(.updated, 4, rating: .down)),
                .change(Self.change(.deleted, 5)), .heartbeat(LogPosition("p9")),
            ]
        )
    }

    @Test func a_page_of_which_nothing_is_seen_is_read_past() async throws {
        let log = ScriptedLog([
            Self.page([Self.change(.added, 1)], isAtEnd: false),
            Self.page([Self.change(.added, 2, session: "t")]),
        ])
        let events = try await events(WatchQuery(FeedbackFilter(sessionID: "t")), of: log)
        #expect(
            events == [
                .change(Self.change(.added, 2, session: "t")), .heartbeat(LogPosition("p2")),
            ]
        )
    }

    @Test func heartbeats_come_while_nothing_happens() async throws {
        let log = ScriptedLog([Self.page([Self.change(.added, 1)])])
        let interval = Duration.milliseconds(5)
        var watch = try await service(log, heartbeatInterval: interval).watch(WatchQuery())
        #expect(
            try await watch.next() == [
                .change(Self.change(.added, 1)), .heartbeat(LogPosition("p1")),
            ]
        )
        for _ in 0..<3 {
            #expect(try await watch.next() == [.heartbeat(LogPosition("end"))])
        }
        let patience = log.patience.withLock { $0.dropFirst() }
        #expect(patience.allSatisfy { $0 <= interval })
        await watch.close()
    }

    @Test func heartbeats_come_while_only_others_change() async throws {
        let other = Self.page([Self.change(.added, 1, session: "t")])
        let log = ScriptedLog(Array(repeating: other, count: 2))
        var watch = try await service(log, heartbeatInterval: .zero)
            .watch(WatchQuery(FeedbackFilter(sessionID: "s")))
        for _ in 0..<2 {
            #expect(try await watch.next() == [.heartbeat(LogPosition("p1"))])
        }
        await watch.close()
    }

    @Test func a_stream_that_waits_ends_with_its_task() async throws {
        let service = FeedbackService(store: MemoryStore())
        let caughtUp = Gate()
        let task = Task {
            var watch = try await service.watch(WatchQuery())
            try await watch.deliver { _ in caughtUp.open() }
        }
        await caughtUp.pass()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func a_stream_ends_with_the_store() async throws {
        let store = MemoryStore()
        let service = FeedbackService(store: store)
        var watch = try await service.watch(WatchQuery())
        #expect(try await watch.next()?.count == 1)
        await store.close()
        let error = await #expect(throws: CallError.self) { try await watch.next() }
        #expect(error?.code == .unavailable)
    }

    @Test(arguments: ["", String(repeating: "p", count: 1_025), "a\u{1}", "é"])
    func a_position_that_no_stream_gave_is_refused(_ text: String) async throws {
        let service = FeedbackService(store: MemoryStore())
        let error = await #expect(throws: CallError.self) {
            try await service.watch(WatchQuery(from: .after(LogPosition(text))))
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.violations.map(\.field) == ["start_position"])
    }

    @Test func every_field_at_fault_is_named_with_its_place() async throws {
        let service = FeedbackService(store: MemoryStore())
        let long = String(repeating: "x", count: 256)
        let query = WatchQuery(
            FeedbackFilter(sessionID: long, messageID: long),
            from: .after(LogPosition(""))
        )
        let error = await #expect(throws: CallError.self) { try await service.watch(query) }
        #expect(
            error?.violations.map(\.field) == [
                "filter.session_id", "filter.message_id", "start_position",
            ]
        )
    }
}
