internal import Synchronization

/// The bound over the memory that all peers together have in a server: requests that arrive, wait
/// or are worked on, and replies that wait to be taken.
///
/// The processes of one user have at most half of it. Each connection accounts for its own part in
/// a ``ConnectionMemory`` and comes here only for large amounts.
final class PeerMemory: Sendable {
    private struct State {
        var bytes = 0
        var bytesByUID: [UInt32: Int] = [:]
    }

    let bytesMax: Int
    /// The memory that the processes of one user may have, in bytes.
    let bytesPerUIDMax: Int
    private let state = Mutex(State())

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
        bytesPerUIDMax = bytesMax / 2
    }

    /// The memory that is taken, in bytes.
    var bytes: Int { state.withLock { $0.bytes } }

    /// Takes memory for a user's process; returns false, and takes nothing, if there is not as much
    /// left.
    func take(_ count: Int, for uid: UInt32) -> Bool {
        state.withLock { state in
            let ofUser = state.bytesByUID[uid, default: 0] + count
            guard state.bytes + count <= bytesMax, ofUser <= bytesPerUIDMax else { return false }
            state.bytes += count
            state.bytesByUID[uid] = ofUser
            return true
        }
    }

    /// Takes memory beyond the bound if need be; returns false in that case.
    func takeAnyway(_ count: Int, for uid: UInt32) -> Bool {
        state.withLock { state in
            let ofUser = state.bytesByUID[uid, default: 0] + count
            state.bytes += count
            state.bytesByUID[uid] = ofUser
            return state.bytes <= bytesMax && ofUser <= bytesPerUIDMax
        }
    }

    /// Gives memory back.
    func give(_ count: Int, of uid: UInt32) {
        state.withLock { state in
            state.bytes -= count
            let left = state.bytesByUID[uid, default: 0] - count
            state.bytesByUID[uid] = left == 0 ? nil : left
        }
    }
}
