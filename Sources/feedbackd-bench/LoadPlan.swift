/// The parameters of a load.
struct LoadPlan: Sendable {
    var socket: String
    var connections: Int
    /// The number of calls in flight on each connection.
    var inFlight: Int
    var threads: Int
    var request: RequestKind
    var sessions: SessionChoice
    /// The number before that of the first request_id, made from the time, so that no two runs use
    /// the same request_ids.
    var firstRequest: UInt64
    /// The number of calls per second that are due on all connections together, in an open loop;
    /// nil for a closed loop, in which each reply starts the next call.
    var rate: Double?
    var warmUpNanoseconds: Int64
    var length: LoadLength
    /// The processor of the first thread; the other threads use the processors after it.
    var firstProcessor: Int?
}

/// The length of the measurement.
enum LoadLength: Sendable {
    case nanoseconds(Int64)
    /// The number of calls on all connections together.
    case calls(Int)
}

/// The times at which the calls of an open loop are due: evenly spaced, on each connection in turn.
struct Schedule {
    private let connections: Int
    /// The time between two calls of one connection, in nanoseconds.
    let interval: Int64

    init(callsPerSecond: Double, connections: Int) {
        self.connections = connections
        interval = Int64(Double(connections) * 1e9 / callsPerSecond)
    }

    /// Returns the time from the start to a connection's first call, in nanoseconds.
    func firstDue(connection: Int) -> Int64 { interval * Int64(connection) / Int64(connections) }
}
