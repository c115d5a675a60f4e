public import FeedbackModel

/// A receiver of changes, to which a cursor on the store's change log delivers.
public protocol Destination: Sendable {
    /// The name of the destination and of its cursor.
    var name: String { get }
    /// The kind, such as `webhook`, as an operator sees it.
    var kind: String { get }
    /// The rule that selects the feedback of which the destination is told.
    var rule: AlertRule { get }
    /// The maximum number of deliveries at a time; at least 1.
    var concurrency: Int { get }
    /// The limits of the attempts for one feedback.
    var limits: DeliveryLimits { get }

    /// Attempts to deliver an alert, for at most the destination's timeout.
    ///
    /// At most ``concurrency`` deliveries, and one of a test alert, run at a time.
    func deliver(_ alert: Alert) async -> DeliveryOutcome

    /// Is told what came of the deliveries, for metrics and the log.
    func report(_ event: DeliveryEvent)
}

/// The limits of the attempts to deliver one feedback, after which it is a dead letter.
public struct DeliveryLimits: Sendable, Hashable {
    /// The maximum number of attempts; nil for no such limit.
    public var attemptsMax: Int?
    /// The time after the first attempt during which further ones may begin, while the destination
    /// answers.
    public var giveUpAfter: Duration

    /// Makes limits.
    public init(attemptsMax: Int? = nil, giveUpAfter: Duration = .seconds(86_400)) {
        self.attemptsMax = attemptsMax
        self.giveUpAfter = giveUpAfter
    }
}

/// The outcome of an attempt to deliver.
public enum DeliveryOutcome: Sendable, Hashable {
    /// The destination has accepted the delivery.
    case delivered
    /// The destination refused this delivery; it may accept others.
    case refused(String)
    /// There was no answer in time; after several in a row the destination counts as away.
    case timedOut(String)
    /// The destination as a whole does not answer, and wants to be tried again after `retryDelay`, if
    /// it is given.
    case away(String, retryDelay: Duration?)
}

/// Something that happened to the deliveries of a destination.
public enum DeliveryEvent: Sendable, Hashable {
    /// A delivery was accepted.
    case delivered
    /// A delivery failed and is attempted again.
    case failed(String)
    /// A delivery was given up: it is a dead letter now.
    case dead(String)
    /// The destination does not answer, for the first time or still.
    case away(String, isFirst: Bool)
    /// The destination answers again.
    case back
}

/// The intervals between attempts to deliver.
package struct DeliveryBackoff: Sendable {
    /// The interval after the first failure; it doubles with each further failure.
    package var first = Duration.seconds(1)
    /// The longest interval while the destination does not answer.
    package var awayMax = Duration.seconds(15)
    /// The longest interval before a delivery that was refused is attempted again.
    package var refusedMax = Duration.seconds(300)
    /// The longest interval that a destination may request.
    package var askedMax = Duration.seconds(3_600)

    package init() {}

    /// Returns a random time between half of the interval and the whole (jitter), so that many
    /// senders do not return at once.
    func interval(failures: Int, max: Duration) -> Duration {
        let whole = min(first * (1 << min(failures, 20)), max)
        return whole * Double.random(in: 0.5...1)
    }
}
