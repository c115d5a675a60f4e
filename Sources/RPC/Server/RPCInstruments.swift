internal import CLinux
internal import CallStatus
internal import CoreMetrics
internal import Glibc
internal import Synchronization

/// The instruments that a server records to through swift-metrics, named in Prometheus' style.
public enum RPCInstrumentName: String, Sendable, CaseIterable {
    /// Counter; labels `method` (`service/name`, or `unknown` for what named none that there is, or
    /// could not begin), `protocol` (`ttrpc` or `grpc`) and `code`.
    case calls = "feedbackd_calls_total"
    /// Timer; labels `method` and `protocol`.
    case callTime = "feedbackd_call_duration_seconds"
    /// Meter; labels `method` and `protocol`.
    case callsInFlight = "feedbackd_calls_in_flight"
    /// Meter.
    case openConnections = "feedbackd_connections_open"
    /// Counter.
    case acceptedConnections = "feedbackd_connections_accepted_total"
    /// Counter; label `reason` (`limit` or `not_allowed`).
    case refusedConnections = "feedbackd_connections_refused_total"
    /// Counter.
    case receivedBytes = "feedbackd_received_bytes_total"
    /// Counter.
    case sentBytes = "feedbackd_sent_bytes_total"

    /// What is recorded, for people.
    public var help: String {
        switch self {
        case .calls: "Calls that have ended."
        case .callTime: "From a call's arrival to its answer's place in the output."
        case .callsInFlight: "Calls that have begun and not ended."
        case .openConnections: "Connections that are open."
        case .acceptedConnections: "Connections that were accepted, the refused ones too."
        case .refusedConnections: "Connections that were accepted only to be told why not."
        case .receivedBytes: "Bytes that were read from connections."
        case .sentBytes: "Bytes that were written to connections."
        }
    }
}

/// What a server records; made once, and only if somebody collects it.
final class RPCInstruments: Sendable {
    let ttrpc: CallInstruments
    let grpc: CallInstruments
    let openConnections = Meter(label: RPCInstrumentName.openConnections.rawValue)
    let acceptedConnections = Counter(label: RPCInstrumentName.acceptedConnections.rawValue)
    let connectionsOverLimit = Counter(
        label: RPCInstrumentName.refusedConnections.rawValue,
        dimensions: [("reason", "limit")]
    )
    let connectionsNotAllowed = Counter(
        label: RPCInstrumentName.refusedConnections.rawValue,
        dimensions: [("reason", "not_allowed")]
    )
    let receivedBytes = Counter(label: RPCInstrumentName.receivedBytes.rawValue)
    let sentBytes = Counter(label: RPCInstrumentName.sentBytes.rawValue)

    /// Nil if nobody collects.
    init?(_ router: Router) {
        if MetricsSystem.factory is NOOPMetricsHandler { return nil }
        ttrpc = CallInstruments(router, protocol: "ttrpc")
        grpc = CallInstruments(router, protocol: "grpc")
    }
}

/// What is recorded of the calls of one protocol.
final class CallInstruments: Sendable {
    private let methods: [MethodInstruments]
    private let unknown: MethodInstruments

    fileprivate init(_ router: Router, protocol: String) {
        methods = router.methodNames.map { MethodInstruments($0, protocol: `protocol`) }
        unknown = MethodInstruments("unknown", protocol: `protocol`)
    }

    /// A call of the method begins.
    func begin(_ method: Router.Method) -> CallRecord { CallRecord(methods[method.index]) }

    /// What was to be a call did not begin.
    func refused(_ code: CallError.Code) { unknown.count(code) }
}

private final class MethodInstruments: Sendable {
    let inFlight: Meter
    let time: Timer
    private let labels: [(String, String)]
    /// For instruments that are made later, by whatever task.
    private let factory: any MetricsFactory = MetricsSystem.factory
    private let successes: Counter
    private let failures = Mutex<[CallError.Code: Counter]>([:])

    init(_ method: String, protocol: String) {
        labels = [("method", method), ("protocol", `protocol`)]
        inFlight = Meter(label: RPCInstrumentName.callsInFlight.rawValue, dimensions: labels)
        time = Timer(label: RPCInstrumentName.callTime.rawValue, dimensions: labels)
        successes = Self.counter(labels, code: "OK", factory)
    }

    /// `code` is nil for OK.
    func count(_ code: CallError.Code?) {
        guard let code else { return successes.increment() }
        failures.withLock { failures in
            let counter = failures[code] ?? Self.counter(labels, code: code.name, factory)
            failures[code] = counter
            counter.increment()
        }
    }

    private static func counter(
        _ labels: [(String, String)],
        code: String,
        _ factory: any MetricsFactory
    ) -> Counter {
        Counter(
            label: RPCInstrumentName.calls.rawValue,
            dimensions: labels + [("code", code)],
            factory: factory
        )
    }
}

/// One call, from its beginning to its end.
struct CallRecord: Sendable {
    private let method: MethodInstruments
    private let begin: Int
    private var isInFlight = false

    fileprivate init(_ method: MethodInstruments) {
        self.method = method
        begin = Self.nanoseconds()
    }

    /// The call has to wait for something: one that is answered at once nobody could see in flight.
    mutating func waits() {
        isInFlight = true
        method.inFlight.increment()
    }

    /// `code` is nil for OK.
    func end(_ code: CallError.Code?) {
        if isInFlight { method.inFlight.decrement() }
        method.time.recordNanoseconds(Self.nanoseconds() - begin)
        method.count(code)
    }

    private static func nanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

extension CallError.Code {
    /// The name in gRPC's own spelling, like `INVALID_ARGUMENT`.
    fileprivate var name: String {
        "\(self)".reduce(into: "") { name, letter in
            if letter.isUppercase { name += "_" }
            name += letter.uppercased()
        }
    }
}
