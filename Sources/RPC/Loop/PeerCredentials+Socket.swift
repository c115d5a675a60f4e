internal import CallStatus
internal import Glibc

extension PeerCredentials {
    /// Asks the kernel for the credentials of the peer; returns nil if the descriptor is not a
    /// connected Unix socket.
    init?(ofPeerAt descriptor: Int32) {
        // The layout of `struct ucred`: three 32-bit numbers in this order (unix(7)).
        var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else {
            return nil
        }
        self.init(pid: credentials.pid, uid: credentials.uid, gid: credentials.gid)
    }
}
