import FeedbackCore
import FeedbackModel
import Synchronization

/// A destination that answers as a test says, and notes what it is sent.
final class ScriptedDestination: Destination {
    let name: String
    let kind = "test"
    let rule: AlertRule
    let concurrency: Int
    let limits: DeliveryLimits

    typealias Answer = @Sendable (Alert) async -> DeliveryOutcome

    private struct State {
        var answer: Answer
        var alerts: [Alert] = []
        var delivered: [Alert] = []
        var events: [DeliveryEvent] = []
        var underWay = 0
        var underWayMax = 0
    }

    private let state: Mutex<State>

    init(
        _ name: String = "c",
        rule: AlertRule? = nil,
        concurrency: Int = 4,
        limits: DeliveryLimits = DeliveryLimits(),
        answer: @escaping Answer = { _ in .delivered }
    ) {
        self.name = name
        self.rule = rule ?? AlertRule(name: name)
        self.concurrency = concurrency
        self.limits = limits
        state = Mutex(State(answer: answer))
    }

    func answer(_ answer: @escaping Answer) { state.withLock { $0.answer = answer } }

    /// The alerts that were sent, with failures.
    var alerts: [Alert] { state.withLock { $0.alerts } }
    /// The comments that were sent, with failures.
    var sent: [String] { alerts.map(\.feedback.comment) }
    /// The comments that were accepted, in order.
    var delivered: [String] { state.withLock { $0.delivered }.map(\.feedback.comment) }
    var events: [DeliveryEvent] { state.withLock { $0.events } }
    /// The highest number of deliveries at a time.
    var underWayMax: Int { state.withLock { $0.underWayMax } }

    func deliver(_ alert: Alert) async -> DeliveryOutcome {
        let answer = state.withLock { state in
            state.alerts.append(alert)
            state.underWay += 1
            state.underWayMax = max(state.underWayMax, state.underWay)
            return state.answer
        }
        let outcome = await answer(alert)
        state.withLock { state in
            state.underWay -= 1
            if outcome == .delivered { state.delivered.append(alert) }
        }
        return outcome
    }

    func report(_ event: DeliveryEvent) { state.withLock { $0.events.append(event) } }
}
