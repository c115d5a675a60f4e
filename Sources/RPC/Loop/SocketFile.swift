internal import CLinux
internal import CallStatus
internal import Glibc

/// Who may use a socket file.
public struct SocketPermissions: Sendable, Hashable {
    /// The permission bits of the file, like 0o600.
    public var mode: UInt32
    /// The group of the file; nil leaves the process's own.
    public var groupID: UInt32?

    /// Makes permissions; the default is for the owner alone.
    public init(mode: UInt32 = 0o600, groupID: UInt32? = nil) {
        self.mode = mode
        self.groupID = groupID
    }
}

/// A listening socket and its file, guarded by a lock file beside it.
///
/// The lock decides who serves: of two that start at once, one gets it. Whoever holds it may replace
/// a stale socket, never a live one, nor anything that is no socket. The lock file stays behind, as
/// removing it would let two processes hold locks on two files of one name.
final class SocketFile: Sendable {
    /// The backlog asked for; the kernel lowers it to `net.core.somaxconn`.
    private static let backlog: Int32 = 4_096

    let address: UnixSocketAddress
    /// The listening descriptor, non-blocking; the caller closes it.
    let descriptor: Int32
    private let lock: Int32
    /// What was bound: only that is removed.
    private let identity: (device: dev_t, inode: ino_t)

    /// Binds and listens.
    ///
    /// - Throws: a ``SystemError`` or ``CallError`` whose text names the path.
    init(_ address: UnixSocketAddress, _ permissions: SocketPermissions) throws {
        self.address = address
        lock = try Self.takeLock(address)
        do {
            try Self.removeStaleSocket(address)
            descriptor = try Self.bind(address, permissions)
        } catch {
            Glibc.close(lock)
            throw error
        }
        var status = stat()
        lstat(address.path, &status)
        identity = (status.st_dev, status.st_ino)
    }

    /// Removes the file, if it is still the one that was bound, and lets go of the lock.
    func remove() {
        var status = stat()
        if lstat(address.path, &status) == 0, status.st_dev == identity.device,
            status.st_ino == identity.inode
        {
            unlink(address.path)
        }
        Glibc.close(lock)
    }

    /// Makes a folder for a socket at a conventional place: for the owner alone.
    ///
    /// - Throws: if there is something else of that name, or a folder that others may write to, in
    ///   which they could put a socket of their own.
    static func makePrivateFolder(_ folder: String, mode: mode_t = 0o700) throws {
        if mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw SystemError("cannot make the folder \(folder)")
        }
        var status = stat()
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
            status.st_uid == geteuid(), status.st_mode & 0o022 == 0
        else {
            throw CallError(
                .failedPrecondition,
                "\(folder) must be a folder that belongs to this user and that no one else may "
                    + "write to"
            )
        }
        guard chmod(folder, mode) == 0 else {
            throw SystemError("cannot set the mode of \(folder)")
        }
    }

    private static func alreadyServed(_ address: UnixSocketAddress) -> CallError {
        CallError(.failedPrecondition, "another server already serves \(address)")
    }

    private static func takeLock(_ address: UnixSocketAddress) throws -> Int32 {
        let path = address.path + ".lock"
        let lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw SystemError("cannot open the lock file \(path)") }
        if flock(lock, LOCK_EX | LOCK_NB) != 0 {
            let number = errno
            Glibc.close(lock)
            throw number == EWOULDBLOCK
                ? alreadyServed(address)
                : SystemError("cannot lock \(path)", number: number)
        }
        return lock
    }

    private static func removeStaleSocket(_ address: UnixSocketAddress) throws {
        var status = stat()
        guard lstat(address.path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("cannot look at \(address)")
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw CallError(.failedPrecondition, "\(address) exists and is not a socket")
        }
        // A server that knows nothing of the lock file may be alive behind the socket.
        do {
            Glibc.close(try connect(to: address))
            throw alreadyServed(address)
        } catch let error as SystemError {
            guard error.number == ECONNREFUSED else {
                // A full backlog (EAGAIN) is a live server's.
                throw error.number == EAGAIN ? alreadyServed(address) : error
            }
        }
        guard unlink(address.path) == 0 else {
            throw SystemError("cannot remove the stale socket \(address)")
        }
    }

    private static func bind(
        _ address: UnixSocketAddress,
        _ permissions: SocketPermissions
    ) throws -> Int32 {
        let descriptor = try makeSocket()
        do {
            // On Linux the file gets the mode of the socket itself, less the umask: so it is never
            // looser than the owner's part, whatever the umask says.
            guard fchmod(descriptor, permissions.mode & 0o700) == 0,
                address.withSocketAddress({ Glibc.bind(descriptor, $0, $1) }) == 0
            else { throw SystemError("cannot bind \(address)") }
            do {
                // The group goes first: its bits must not be valid for another one.
                if let group = permissions.groupID,
                    lchown(address.path, uid_t.max, group) != 0
                {
                    throw SystemError("cannot give \(address) to the group \(group)")
                }
                guard chmod(address.path, permissions.mode) == 0 else {
                    throw SystemError("cannot set the mode of \(address)")
                }
                guard listen(descriptor, backlog) == 0 else {
                    throw SystemError("cannot listen on \(address)")
                }
            } catch {
                unlink(address.path)
                throw error
            }
            return descriptor
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    // MARK: - Plain sockets

    static func makeSocket() throws -> Int32 {
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw SystemError("cannot make a socket") }
        return descriptor
    }

    /// A connected, non-blocking descriptor.
    ///
    /// Fails with EAGAIN while the server's backlog is full (unix(7)).
    static func connect(to address: UnixSocketAddress) throws -> Int32 {
        let descriptor = try makeSocket()
        var outcome: Int32
        repeat {
            outcome = address.withSocketAddress { Glibc.connect(descriptor, $0, $1) }
        } while outcome != 0 && errno == EINTR
        guard outcome == 0 else {
            let error = SystemError("cannot connect to \(address)")
            Glibc.close(descriptor)
            throw error
        }
        return descriptor
    }
}
