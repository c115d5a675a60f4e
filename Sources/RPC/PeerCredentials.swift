internal import Glibc

/// The process at the other end of a Unix socket, as the kernel saw it connect (SO_PEERCRED,
/// unix(7)).
public struct PeerCredentials: Sendable, Hashable {
    /// Its process id.
    public var pid: Int32
    /// Its effective user id.
    public var uid: UInt32
    /// Its effective group id.
    public var gid: UInt32

    init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }

    /// Asks the kernel; nil if the descriptor is not a connected Unix socket.
    init?(ofPeerAt descriptor: Int32) {
        // Three 32-bit numbers in this order: `struct ucred`.
        var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else {
            return nil
        }
        self.init(pid: credentials.pid, uid: credentials.uid, gid: credentials.gid)
    }
}
