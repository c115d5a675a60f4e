internal import CallStatus
internal import DequeModule

/// The open connections of a server, and the places that are left.
///
/// It does no I/O. `Connection` is the server's type of a connection.
struct ConnectionTable<Connection> {
    struct Entry {
        var connection: Connection
        /// The id of the user whose process has connected.
        var uid: UInt32
        /// True if the connection is not served, and stays only until its peer has the reason.
        var isRefused: Bool
    }

    /// The part of all places that the processes of one user leave to those of others.
    private static var placesForOthers: Int { 8 }

    /// The maximum number of connections that are served at once.
    let connectionsMax: Int
    /// The maximum number of connections that wait for the reason why they are not served.
    let refusalsMax: Int
    private var entries: [Int: Entry] = [:]
    /// The connections that wait for the reason why they are not served, the oldest first.
    private var refused: Deque<Int> = []
    private var servedCount = 0
    private var servedByUID: [UInt32: Int] = [:]

    init(connectionsMax: Int, refusalsMax: Int) {
        self.connectionsMax = connectionsMax
        self.refusalsMax = refusalsMax
    }

    var count: Int { entries.count }
    var connections: [Connection] { entries.values.map(\.connection) }

    /// True if not even a connection that is refused has a place, since those that had to make room
    /// are not closed yet.
    var isFull: Bool { entries.count - servedCount >= 2 * max(1, refusalsMax) }

    /// The maximum number of connections of one user.
    private var connectionsPerUIDMax: Int { connectionsMax - connectionsMax / Self.placesForOthers }

    /// Returns the reason why a further connection of a user's process is not served; nil if it is.
    func refusal(for uid: UInt32) -> CallError? {
        if servedCount >= connectionsMax {
            return CallError(
                .resourceExhausted,
                "the server has its \(connectionsMax) connections: try again later"
            )
        }
        if servedByUID[uid, default: 0] >= connectionsPerUIDMax {
            return CallError(
                .resourceExhausted,
                "user id \(uid) has its \(connectionsPerUIDMax) connections: try again later"
            )
        }
        return nil
    }

    /// Adds a connection.
    ///
    /// - Returns: the refused connection whose place it takes, which must be closed; nil if there
    ///   was a place.
    mutating func add(_ entry: Entry, as id: Int) -> Connection? {
        entries[id] = entry
        guard entry.isRefused else {
            servedCount += 1
            servedByUID[entry.uid, default: 0] += 1
            return nil
        }
        refused.append(id)
        guard refused.count > refusalsMax, let oldest = refused.popFirst() else { return nil }
        return entries[oldest]?.connection
    }

    /// Removes a connection, which is closed.
    mutating func remove(_ id: Int) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        guard !entry.isRefused else { return refused.removeAll { $0 == id } }
        servedCount -= 1
        let count = servedByUID[entry.uid, default: 0] - 1
        servedByUID[entry.uid] = count == 0 ? nil : count
    }
}
