/// What a load consists of.
struct LoadPlan: Sendable {
    var socket: String
    var connections: Int
    /// Per connection.
    var inFlight: Int
    var threads: Int
    var request: RequestKind
    var sessions: SessionChoice
    /// The time, so that no two runs have the same request_ids.
    var firstRequest: UInt64
    /// Open loop: how many calls per second are due on all connections together; nil: closed loop,
    /// in which each reply makes place for the next call.
    var rate: Double?
    var warmUpNanoseconds: Int64
    var length: LoadLength
    /// The processor of the first thread; the others take those that follow.
    var firstProcessor: Int?
}

/// How much is measured.
enum LoadLength: Sendable {
    case nanoseconds(Int64)
    /// On all connections together.
    case calls(Int)
}

/// The instants at which the calls of an open loop are due: evenly spread over time, the connections
/// in turn.
struct Schedule {
    private let connections: Int
    /// From one call to the next of one connection.
    let interval: Int64

    init(callsPerSecond: Double, connections: Int) {
        self.connections = connections
        interval = Int64(Double(connections) * 1e9 / callsPerSecond)
    }

    /// When a connection's first call is due, from the beginning on.
    func firstDue(connection: Int) -> Int64 { interval * Int64(connection) / Int64(connections) }
}
