internal import FeedbackModel
internal import Glibc

/// The decision who may call the services that operate the daemon.
struct AdminAccess: Sendable {
    /// The users that may call them.
    private let uids: Set<UInt32>

    /// Lets in root, the user of this process, and the users of the setting `admin_uid`.
    init(_ adminUIDs: Set<UInt32>) { uids = adminUIDs.union([0, geteuid()]) }

    /// Lets a caller pass; calls from within the process always do.
    ///
    /// - Throws: PERMISSION_DENIED for any other user.
    func check(_ peer: PeerCredentials?, calling service: String) throws(CallError) {
        guard let peer, !uids.contains(peer.uid) else { return }
        throw CallError(
            .permissionDenied,
            "user id \(peer.uid) may not call \(service): it is not in admin_uid"
        )
    }
}
