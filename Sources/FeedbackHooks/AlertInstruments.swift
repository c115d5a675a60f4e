internal import CoreMetrics
internal import FeedbackCore

/// The metrics of a notification's deliveries: the number of attempts by outcome, and their
/// durations.
struct AlertInstruments: Sendable {
    let delivered: Counter
    /// Counts the attempts that are to be repeated.
    let failed: Counter
    /// Counts the alerts that became dead letters.
    let dead: Counter
    let time: Timer

    init(hook: String) {
        func counter(_ outcome: String) -> Counter {
            Counter(
                label: HookInstrument.alertDeliveries.rawValue,
                dimensions: [("hook", hook), ("outcome", outcome)]
            )
        }
        delivered = counter("delivered")
        failed = counter("failed")
        dead = counter("dead")
        time = Timer(
            label: HookInstrument.alertDeliveryTime.rawValue,
            dimensions: [("hook", hook)]
        )
    }
}
