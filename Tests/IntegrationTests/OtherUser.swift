import Foundation
import TestSupport

/// A socket that leads to the daemon's, whose connections the kernel counts as another user's.
///
/// Only root can be another user: for anybody else, the connections are its own.
final class OtherUser {
    /// The user whose connections they are.
    let uid: UInt32
    let socket: String
    private let relay: Process

    /// Starts the relay; the folder is opened so that the user finds the daemon's socket in it.
    init(in folder: TemporaryFolder, _ daemon: Daemon) async throws {
        uid = Self.uid
        socket = folder.path("relay.sock")
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o711]
        try FileManager.default.setAttributes(attributes, ofItemAtPath: folder.path)
        let log = folder.path("relay.log")
        relay = try Programs.start(
            "/usr/bin/python3",
            [Programs.source("../support/relay-as-user.py"), socket, daemon.socket, "\(uid)"],
            output: log,
            errors: log
        )
        let isReady = await eventually { (try? RawConnection(socket)) != nil }
        guard isReady else { throw Failure("no relay: \(try Programs.text(log))") }
    }

    deinit {
        kill(relay.processIdentifier, SIGKILL)
        relay.waitUntilExit()
    }

    /// The user, which is not this process's own if that is root.
    static var uid: UInt32 { geteuid() == 0 ? 65_533 : geteuid() }

    /// True if the user is neither root nor the daemon's own.
    static var isOther: Bool { uid != geteuid() }
}
