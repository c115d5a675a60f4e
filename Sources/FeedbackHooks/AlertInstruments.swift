internal import CoreMetrics
internal import FeedbackCore

/// Counts the attempts to deliver a notification hook's alerts by what became of them, and times
/// them.
struct AlertInstruments: Sendable {
    let delivered: Counter
    /// To be tried again.
    let failed: Counter
    /// Given up: the alert is dead.
    let dead: Counter
    let time: Timer

    init(hook: String) {
        func counter(_ outcome: String) -> Counter {
            Counter(
                label: InstrumentName.alertDeliveries.rawValue,
                dimensions: [("hook", hook), ("outcome", outcome)]
            )
        }
        delivered = counter("delivered")
        failed = counter("failed")
        dead = counter("dead")
        time = Timer(
            label: InstrumentName.alertDeliveryTime.rawValue,
            dimensions: [("hook", hook)]
        )
    }
}
