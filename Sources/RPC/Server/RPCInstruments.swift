internal import CLinux
internal import CallStatus
internal import CoreMetrics
internal import Glibc
internal import Synchronization

/// The metrics that a server records through swift-metrics, with names in Prometheus' style, to which
/// the server's `metricsPrefix` is prepended.
public enum RPCInstrument: String, Sendable, CaseIterable {
    /// A counter with the labels `method` (`service/name`, or `unknown` for a call that named no
    /// known method or could not begin), `protocol` (`ttrpc` or `grpc`) and `code`: calls that have
    /// ended.
    case calls = "calls_total"
    /// A timer with the labels `method` and `protocol`: the durations of calls.
    case callTime = "call_duration_seconds"
    /// A meter with the labels `method` and `protocol`: the number of calls under way.
    case callsInFlight = "calls_in_flight"
    /// A meter: the number of open connections.
    case openConnections = "connections_open"
    /// A counter: accepted connections.
    case acceptedConnections = "connections_accepted_total"
    /// A counter with the label `reason` (`limit` or `not_allowed`): refused connections.
    case refusedConnections = "connections_refused_total"
    /// A counter: bytes that were read.
    case receivedBytes = "received_bytes_total"
    /// A counter: bytes that were written.
    case sentBytes = "sent_bytes_total"

    /// The help text of the metric.
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

/// The metrics of a server; made once, and only if a metrics system is installed.
final class RPCInstruments: Sendable {
    let ttrpc: CallInstruments
    let grpc: CallInstruments
    let openConnections: Meter
    let acceptedConnections: Counter
    let connectionsOverLimit: Counter
    let connectionsNotAllowed: Counter
    let receivedBytes: Counter
    let sentBytes: Counter

    /// Makes the metrics, with `prefix` before every name; nil if no metrics system is installed.
    init?(_ router: Router, prefix: String) {
        if MetricsSystem.factory is NOOPMetricsHandler { return nil }
        func counter(_ name: RPCInstrument, _ labels: [(String, String)] = []) -> Counter {
            Counter(label: prefix + name.rawValue, dimensions: labels)
        }
        ttrpc = CallInstruments(router, prefix: prefix, protocol: "ttrpc")
        grpc = CallInstruments(router, prefix: prefix, protocol: "grpc")
        openConnections = Meter(label: prefix + RPCInstrument.openConnections.rawValue)
        acceptedConnections = counter(.acceptedConnections)
        connectionsOverLimit = counter(.refusedConnections, [("reason", "limit")])
        connectionsNotAllowed = counter(.refusedConnections, [("reason", "not_allowed")])
        receivedBytes = counter(.receivedBytes)
        sentBytes = counter(.sentBytes)
    }
}

/// The metrics of the calls of one protocol.
final class CallInstruments: Sendable {
    private let methods: [MethodInstruments]
    private let unknown: MethodInstruments

    fileprivate init(_ router: Router, prefix: String, protocol: String) {
        func instruments(_ method: String) -> MethodInstruments {
            MethodInstruments(method, prefix: prefix, protocol: `protocol`)
        }
        methods = router.methodNames.map(instruments)
        unknown = instruments("unknown")
    }

    /// Begins the record of a call of the method.
    func begin(_ method: Router.Method) -> CallRecord { CallRecord(methods[method.index]) }

    /// Counts a call that could not begin.
    func refused(_ code: CallError.Code) { unknown.count(code) }
}

/// The metrics of the calls of one method by one protocol.
private final class MethodInstruments: Sendable {
    let inFlight: Meter
    let time: Timer
    private let callsLabel: String
    private let labels: [(String, String)]
    /// The metrics factory for counters that are made later, in any task.
    private let factory: any MetricsFactory = MetricsSystem.factory
    private let successes: Counter
    private let failures = Mutex<[CallError.Code: Counter]>([:])

    init(_ method: String, prefix: String, protocol: String) {
        callsLabel = prefix + RPCInstrument.calls.rawValue
        labels = [("method", method), ("protocol", `protocol`)]
        inFlight = Meter(label: prefix + RPCInstrument.callsInFlight.rawValue, dimensions: labels)
        time = Timer(label: prefix + RPCInstrument.callTime.rawValue, dimensions: labels)
        successes = Counter(label: callsLabel, dimensions: labels + [("code", "OK")])
    }

    /// Counts a call that has ended; `code` is nil for OK.
    func count(_ code: CallError.Code?) {
        guard let code else { return successes.increment() }
        failures.withLock { failures in
            let counter =
                failures[code]
                ?? Counter(
                    label: callsLabel,
                    dimensions: labels + [("code", code.name)],
                    factory: factory
                )
            failures[code] = counter
            counter.increment()
        }
    }
}

/// The record of one call, from its beginning to its end.
struct CallRecord: Sendable {
    private let method: MethodInstruments
    private let begin: Int
    private var isInFlight = false

    fileprivate init(_ method: MethodInstruments) {
        self.method = method
        begin = Self.nanoseconds()
    }

    /// Counts the call as one under way, as it has to wait for something.
    ///
    /// A call that is answered at once could be seen by nobody.
    mutating func waits() {
        isInFlight = true
        method.inFlight.increment()
    }

    /// Records the end of the call; `code` is nil for OK.
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
