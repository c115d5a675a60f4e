import FeedbackCore
import FeedbackModel
import GRDB
import Logging
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("alerts in a file beside a store")
struct AlertFileStoreTests {
    private let folder: TemporaryFolder
    private let inner = FailingStore()

    init() throws { folder = try TemporaryFolder() }

    private func open() throws -> AlertFileStore {
        let path = folder.path("alerts.db")
        let store = AlertFileStore(
            inner,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { path }
        try store.open()
        return store
    }

    @discardableResult
    private func add(
        _ store: AlertFileStore,
        _ requestID: String = "",
        _ rating: Rating = .down
    ) async throws -> AddedFeedback {
        try await FeedbackService(store: store, hooks: [Telling()])
            .add(FeedbackDraft(sessionID: "s", rating: rating, requestID: requestID))
    }

    private func queued(_ store: AlertFileStore) async throws -> [Alert] {
        try await store.outbox.list(dead: false, after: 0, limit: 100).alerts.map(\.alert)
    }

    @Test func a_crash_after_the_feedback_was_stored_loses_no_alert() async throws {
        // From the time at which the alert should be confirmed until the end, the store is
        // unavailable.
        let store = try open()
        inner.isDown.store(true, ordering: .relaxed)
        let added = try await add(store)
        #expect(try await queued(store).isEmpty)
        await store.close()

        inner.isDown.store(false, ordering: .relaxed)
        let next = try open()
        let isQueued = try await eventually { try await queued(next).count == 1 }
        #expect(isQueued)
        #expect(try await queued(next).first?.feedbackID == added.feedback.id)
        await next.close()
    }

    @Test func feedback_that_was_not_stored_is_never_told() async throws {
        let store = try open()
        inner.fault.withLock { $0 = .before }
        await #expect(throws: CallError.self) { try await add(store, "r") }
        inner.fault.withLock { $0 = nil }
        // The caller's next attempt succeeds and causes one alert.
        let added = try await add(store, "r")
        let isQueued = try await eventually { try await queued(store).count == 1 }
        #expect(isQueued)
        #expect(try await queued(store).map(\.feedbackID) == [added.feedback.id])
        await store.close()
    }

    @Test func feedback_that_was_stored_without_an_answer_is_told_once() async throws {
        let store = try open()
        inner.fault.withLock { $0 = .after }
        await #expect(throws: CallError.self) { try await add(store, "r") }
        inner.fault.withLock { $0 = nil }
        let again = try await add(store, "r")
        #expect(again.replayed)
        let isQueued = try await eventually { try await queued(store).count == 1 }
        #expect(isQueued)
        #expect(try await queued(store).map(\.feedbackID) == [again.feedback.id])
        await store.close()
    }

    @Test func what_is_surely_not_stored_leaves_nothing_to_look_up() async throws {
        let store = try open()
        let service = FeedbackService(
            store: store,
            hooks: [Telling()],
            missingSession: .reject
        )
        let draft = FeedbackDraft(sessionID: "unknown", rating: .down)
        await #expect(throws: CallError.self) { try await service.add(draft) }
        try await add(store, "r")
        try await add(store, "r")
        let isQueued = try await eventually { try await queued(store).count == 1 }
        #expect(isQueued)
        #expect(store.undecidedCount == 0)
        await store.close()
        let file = try SQLiteStore(path: folder.path("alerts.db"))
        let rest = try await file.database.read { try AlertTable($0).count(.unconfirmed) }
        #expect(rest == 0)
        await file.close()
    }

    @Test func a_second_process_is_told_to_use_another_file() async throws {
        let store = try open()
        #expect(throws: CallError.self) { try open() }
        await store.close()
        let next = try open()
        await next.close()
    }

    @Test func the_total_survives_a_restart() async throws {
        let store = try open()
        try await add(store)
        try await add(store, "", .up)
        let isFirstQueued = try await eventually { try await queued(store).count == 1 }
        #expect(isFirstQueued)
        await store.close()
        let next = try open()
        try await add(next)
        let isQueued = try await eventually { try await queued(next).count == 2 }
        #expect(isQueued)
        #expect(try await queued(next).map(\.totalCount) == [1, 2])
        await next.close()
    }

    @Test func without_the_file_nothing_with_a_rule_is_stored() async throws {
        let path = folder.path
        let store = AlertFileStore(inner, logger: Logger(label: "test")) { path }
        #expect(throws: CallError.self) { try store.open() }
        await #expect(throws: CallError.self) { try await add(store) }
        try await add(store, "", .up)
        #expect(try await inner.list(FeedbackQuery()).totalSize == 1)
        await store.close()
    }

    @Test func a_database_of_the_first_version_gets_the_tables() async throws {
        let path = folder.path("old.db")
        let old = try SQLiteSchema.makeDatabase(at: path, ofVersion: "v1")
        try old.close()
        let store = try SQLiteStore(path: path)
        let service = FeedbackService(store: store, hooks: [Telling()])
        _ = try await service.add(FeedbackDraft(sessionID: "s", rating: .down))
        #expect(try await service.alerts(AlertQuery(dead: false)).totalSize == 1)
        await store.close()
    }
}

/// A hook whose rule selects everything that is rated down.
private struct Telling: BackgroundHook {
    let alertRule: AlertRule? = AlertRule(name: "rule")

    func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome { try await next(change) }

    func start(_ outbox: any AlertOutbox) {}
    func outboxChanged() {}
    func stop() async {}
}

/// A store that is unavailable at times.
private final class FailingStore: Store {
    /// The point at which an add fails: before or after it is stored.
    enum Fault {
        case before
        case after
    }

    let fault = Mutex<Fault?>(nil)
    /// True while reads fail.
    let isDown = Atomic(false)
    private let memory = MemoryStore()
    private static let error = CallError(.unavailable, "away")

    func commit(_ change: AcceptedChange, context: CallContext) async throws -> ChangeOutcome {
        let fault = fault.withLock { $0 }
        if fault == .before { throw Self.error }
        let outcome = try await memory.commit(change, context: context)
        if fault == .after { throw Self.error }
        return outcome
    }

    func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage {
        if isDown.load(ordering: .relaxed) { throw Self.error }
        return try await memory.list(query, context: context)
    }

    func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport {
        if isDown.load(ordering: .relaxed) { throw Self.error }
        return try await memory.metrics(query, context: context)
    }

    func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        try await memory.readLog(from: start, context: context)
    }

    func metadata(ofSession: String, context: CallContext) async throws -> Metadata? { nil }

    func health() async -> StoreHealth { .serving }

    // The store outlives the file, as a database on other hosts does.
    func close() async {}
}
