public import FeedbackModel
internal import Synchronization

/// The destinations of a service, each with a cursor on the store's change log.
public final class Destinations: DeliveryControl {
    private struct Running {
        let cursor: Cursor
        let task: Task<Void, Never>
    }

    private struct State {
        var destinations: [any Destination] = []
        /// The cursors that run, in the order of the destinations; empty unless started.
        var running: [Running] = []
        var isStarted = false
        /// Ends when all cursors that have been told to stop have stopped.
        var ending: Task<Void, Never>?
    }

    /// The store; nil if it keeps no cursors.
    private let keeper: (any CursorKeepingStore)?
    private let backoff: DeliveryBackoff
    private let wallClock: @Sendable () -> Timestamp
    private let state = Mutex(State())

    /// Makes destinations to which nothing is delivered before ``start()``.
    ///
    /// - Throws: FAILED_PRECONDITION if there are destinations and the store keeps no cursors;
    ///   INVALID_ARGUMENT if two have the same name.
    public convenience init(_ destinations: [any Destination], store: any Store) throws(CallError) {
        try self.init(destinations, store: store, backoff: DeliveryBackoff())
    }

    /// Makes destinations with other intervals and another clock, for tests.
    package init(
        _ destinations: [any Destination],
        store: any Store,
        backoff: DeliveryBackoff,
        wallClock: @escaping @Sendable () -> Timestamp = { .now }
    ) throws(CallError) {
        keeper = store as? any CursorKeepingStore
        self.backoff = backoff
        self.wallClock = wallClock
        try check(destinations)
        state.withLock { $0.destinations = destinations }
    }

    /// Begins to deliver.
    public func start() {
        state.withLock { state in
            state.isStarted = true
            run(&state)
        }
    }

    /// Begins no further delivery, and returns when those under way have ended.
    public func stop() async {
        let ending = state.withLock { state in
            state.isStarted = false
            stop(&state)
            return state.ending
        }
        await ending?.value
    }

    /// Replaces the destinations; those with the same name go on where the former stood.
    ///
    /// - Throws: the errors of ``init(_:store:)``; the present destinations are then kept.
    public func replace(_ destinations: [any Destination]) async throws(CallError) {
        try check(destinations)
        let ending = state.withLock { state in
            stop(&state)
            state.destinations = destinations
            return state.ending
        }
        // Two cursors of the same name must not run at a time.
        await ending?.value
        state.withLock { state in if state.isStarted { run(&state) } }
    }

    /// Checks that a server can have these destinations.
    ///
    /// - Throws: the errors of ``init(_:store:)``.
    public func check(_ destinations: [any Destination]) throws(CallError) {
        if destinations.isEmpty { return }
        guard keeper != nil else {
            throw CallError(.failedPrecondition, "destinations need a store that keeps cursors")
        }
        let names = Set(destinations.map { ExactText($0.name) })
        guard names.count == destinations.count else {
            throw .invalid("destinations", "must have different names")
        }
    }

    private func run(_ state: inout State) {
        guard state.running.isEmpty, !state.destinations.isEmpty, let store = keeper?.cursors
        else { return }
        state.running = state.destinations.map { destination in
            let cursor = Cursor(
                destination,
                store: store,
                backoff: backoff,
                wallClock: wallClock
            )
            return Running(cursor: cursor, task: Task { await cursor.run() })
        }
    }

    private func stop(_ state: inout State) {
        if state.running.isEmpty { return }
        let (running, before) = (state.running, state.ending)
        state.running = []
        state.ending = Task {
            for one in running { await one.cursor.stop() }
            for one in running { await one.task.value }
            await before?.value
        }
    }

    // MARK: - Control

    /// See ``DeliveryControl``.
    public func destinations() async throws -> [DestinationStatus] {
        var all: [DestinationStatus] = []
        for one in state.withLock({ $0.running }) { all.append(try await one.cursor.status()) }
        return all
    }

    /// See ``DeliveryControl``.
    public func pause(_ name: String) async throws -> DestinationStatus {
        let cursor = try cursor(name)
        try await cursor.setPaused(true)
        return try await cursor.status()
    }

    /// See ``DeliveryControl``.
    public func resume(_ name: String) async throws -> DestinationStatus {
        let cursor = try cursor(name)
        try await cursor.setPaused(false)
        return try await cursor.status()
    }

    /// See ``DeliveryControl``.
    public func rewind(_ name: String, to position: LogPosition?) async throws -> DestinationStatus
    {
        let cursor = try cursor(name)
        try await cursor.rewind(to: position.map { .after($0) } ?? .beginning)
        return try await cursor.status()
    }

    /// See ``DeliveryControl``.
    public func test(_ name: String) async throws -> String {
        let destination = try cursor(name).destination
        let alert = Alert.test(rule: destination.rule.name, at: wallClock())
        return switch await destination.deliver(alert) {
        case .delivered: ""
        case .refused(let error), .timedOut(let error), .away(let error, _): error
        }
    }

    /// See ``DeliveryControl``.
    public func deliveries(_ query: DeliveryQuery) async throws -> DeliveryPage {
        let after = query.pageToken.isEmpty ? 0 : Int64(query.pageToken)
        guard let after else { throw CallError.invalid("page_token", "must be a next_page_token") }
        guard let keeper, keeper.keepsCursors else { return DeliveryPage() }
        let store = keeper.cursors
        if !query.destination.isEmpty { _ = try await list(of: query.destination) }
        let size = query.pageSize == 0 ? FieldLimits.pageSizeDefault : query.pageSize
        let (deliveries, totalSize) = try await store.deliveries(
            of: query.destination.isEmpty ? nil : query.destination,
            in: query.state,
            after: after,
            limit: size + 1,
            bytesMax: query.includesContent ? FieldLimits.pageBytesMax : nil
        )
        let page = deliveries.prefix(size).prefix(fitting: FieldLimits.pageBytesMax)
        return DeliveryPage(
            deliveries: Array(page),
            nextPageToken: page.count < deliveries.count ? page.last?.id ?? "" : "",
            totalSize: totalSize
        )
    }

    /// See ``DeliveryControl``.
    public func retry(_ selection: DeliverySelection) async throws -> Int64 {
        let ids = try numbers(of: selection)
        let (store, cursor) = try await list(of: selection.destination)
        let count = try await store.retry(ids, of: selection.destination)
        await cursor?.listChanged()
        return count
    }

    /// See ``DeliveryControl``.
    public func drop(_ selection: DeliverySelection) async throws -> Int64 {
        let ids = try numbers(of: selection)
        let (store, cursor) = try await list(of: selection.destination)
        let count = try await store.drop(ids, of: selection.destination)
        await cursor?.listChanged()
        return count
    }

    /// Returns the numbers of the deliveries, which are their ids; nil for all.
    private func numbers(of selection: DeliverySelection) throws(CallError) -> [Int64]? {
        guard let ids = selection.ids else { return nil }
        let numbers = ids.compactMap { Int64($0) }
        guard numbers.count == ids.count else {
            throw .invalid("delivery_ids", "must be ids of deliveries")
        }
        return numbers
    }

    /// Returns the store of a destination's deliveries, and its cursor if it has one: those of a
    /// destination that the configuration has no more are still there, as are those that another
    /// store refused.
    private func list(
        of name: String
    ) async throws -> (store: any CursorStore, cursor: Cursor?) {
        guard let keeper, keeper.keepsCursors else { throw CallError.unknownDestination }
        let store = keeper.cursors
        guard let cursor = try? cursor(name) else { return (store, nil) }
        try await cursor.open()
        return (store, cursor)
    }

    private func cursor(_ name: String) throws(CallError) -> Cursor {
        let running = state.withLock { $0.running }
        let name = ExactText(name)
        guard let one = running.first(where: { ExactText($0.cursor.destination.name) == name })
        else { throw CallError.unknownDestination }
        return one.cursor
    }
}

extension Alert {
    /// Returns an alert that is about no feedback.
    fileprivate static func test(rule: String, at moment: Timestamp) -> Alert {
        Alert(
            rule: rule,
            kind: .added,
            feedback: Feedback(
                id: FeedbackID(high: 0, low: 0),
                draft: FeedbackDraft(
                    sessionID: "test",
                    rating: .none,
                    comment: "A test message of feedbackd, about no feedback."
                ),
                createdAt: moment
            ),
            sessionCount: 0,
            totalCount: 0
        )
    }
}

extension Collection where Element == Delivery {
    /// Returns the leading deliveries that together take at most so many bytes, but at least one.
    fileprivate func prefix(fitting bytesMax: Int) -> SubSequence {
        var bytes = 0
        var count = 0
        for delivery in self {
            // The estimate for identifiers, times, numbers, and the tags and lengths of all fields.
            bytes += 192 + delivery.id.utf8.count + delivery.destination.utf8.count
            bytes += delivery.sessionID.utf8.count + delivery.lastError.utf8.count
            bytes += delivery.feedback?.bytes ?? 0
            if bytes > bytesMax, count > 0 { break }
            count += 1
        }
        return prefix(count)
    }
}
