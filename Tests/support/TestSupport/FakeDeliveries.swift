public import FeedbackCore
public import FeedbackModel
internal import Synchronization

/// Destinations that stand in memory and deliver nothing, as an operator would control them.
public final class FakeDeliveries: DeliveryControl {
    /// The destinations and what waits for them.
    public struct State: Sendable {
        /// The destinations.
        public var destinations: [DestinationStatus]
        /// The deliveries, in the order of their first attempts.
        public var deliveries: [Delivery] = []
        /// The reason for which test messages are refused; empty if they are accepted.
        public var testError = ""

        fileprivate mutating func change(
            _ name: String,
            _ body: (inout DestinationStatus) -> Void
        ) throws -> DestinationStatus {
            guard let index = destinations.firstIndex(where: { $0.name == name }) else {
                throw CallError.unknownDestination
            }
            body(&destinations[index])
            return destinations[index]
        }

        /// Calls the body with the index of each delivery of the selection, the last first.
        fileprivate mutating func forEach(
            in selection: DeliverySelection,
            _ body: (inout State, Int) -> Void
        ) throws -> Int64 {
            _ = try change(selection.destination) { _ in }
            let chosen = deliveries.indices.filter { index in
                let delivery = deliveries[index]
                return delivery.destination == selection.destination
                    && selection.ids?.contains(delivery.id) ?? (delivery.state == .dead)
            }
            for index in chosen.reversed() { body(&self, index) }
            return Int64(chosen.count)
        }
    }

    private let state: Mutex<State>

    /// Makes destinations of these names, of the kind `webhook`, that have had nothing to deliver.
    public init(_ names: String...) {
        state = Mutex(
            State(
                destinations: names.map {
                    DestinationStatus(name: $0, kind: "webhook", position: LogPosition("e-7"))
                }
            )
        )
    }

    /// Changes the destinations and what waits for them.
    public func update(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// See ``DeliveryControl``.
    public func destinations() async throws -> [DestinationStatus] {
        state.withLock { $0.destinations }
    }

    /// See ``DeliveryControl``.
    public func pause(_ name: String) async throws -> DestinationStatus {
        try state.withLock { try $0.change(name) { $0.isPaused = true } }
    }

    /// See ``DeliveryControl``.
    public func resume(_ name: String) async throws -> DestinationStatus {
        try state.withLock { try $0.change(name) { $0.isPaused = false } }
    }

    /// See ``DeliveryControl``.
    public func rewind(_ name: String, to position: LogPosition?) async throws -> DestinationStatus
    {
        try state.withLock { try $0.change(name) { $0.position = position ?? LogPosition("e-0") } }
    }

    /// See ``DeliveryControl``.
    public func test(_ name: String) async throws -> String {
        try state.withLock { state in
            _ = try state.change(name) { _ in }
            return state.testError
        }
    }

    /// See ``DeliveryControl``.
    public func deliveries(_ query: DeliveryQuery) async throws -> DeliveryPage {
        try state.withLock { state in
            if !query.destination.isEmpty { _ = try state.change(query.destination) { _ in } }
            guard let start = query.pageToken.isEmpty ? 0 : Int(query.pageToken) else {
                throw CallError.invalid("page_token", "must be a next_page_token")
            }
            var found = state.deliveries.filter { delivery in
                delivery.state == query.state
                    && (query.destination.isEmpty || delivery.destination == query.destination)
            }
            if !query.includesContent {
                for index in found.indices { found[index].feedback = nil }
            }
            let page = found.dropFirst(start).prefix(query.pageSize)
            let end = start + page.count
            return DeliveryPage(
                deliveries: Array(page),
                nextPageToken: end < found.count ? "\(end)" : "",
                totalSize: Int64(found.count)
            )
        }
    }

    /// See ``DeliveryControl``.
    public func retry(_ selection: DeliverySelection) async throws -> Int64 {
        try state.withLock { state in
            try state.forEach(in: selection) { state, index in
                state.deliveries[index].state = .retrying
                state.deliveries[index].nextAttemptAt = Timestamp(millisecondsSinceEpoch: 0)
            }
        }
    }

    /// See ``DeliveryControl``.
    public func drop(_ selection: DeliverySelection) async throws -> Int64 {
        try state.withLock { state in
            try state.forEach(in: selection) { state, index in state.deliveries.remove(at: index) }
        }
    }
}

extension Delivery {
    /// Returns a dead letter.
    public static func dead(
        _ id: String,
        of destination: String,
        feedback: Feedback? = nil
    ) -> Delivery {
        Delivery(
            id: id,
            destination: destination,
            feedbackID: FeedbackID(high: 0x018D_3F60_5A00_7B1C, low: 0x8A2F_0123_4567_89AB),
            sessionID: "user-123",
            state: .dead,
            attempts: 4,
            firstAttemptAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_000),
            lastError: "HTTP status 500",
            feedback: feedback
        )
    }
}
