internal import CLinux
internal import CallStatus
internal import Dispatch
internal import Glibc
internal import Synchronization

/// The permissions of a socket file, which decide who may connect.
public struct SocketPermissions: Sendable, Hashable {
    /// The permission bits of the file, for example 0o600.
    public var mode: UInt32
    /// The group of the file; nil keeps the group of the process.
    public var groupID: UInt32?

    /// Makes permissions; by default only the owner may connect.
    public init(mode: UInt32 = 0o600, groupID: UInt32? = nil) {
        self.mode = mode
        self.groupID = groupID
    }
}

/// A listening socket and its file, guarded by a lock file beside it.
///
/// The lock decides which server serves the path: of two servers that start at once, one gets it.
/// The holder of the lock may replace a stale socket, but never a live one, nor a file that is not
/// a socket. The lock file is never removed, since removing it would let two processes hold locks
/// on two files of one name.
package final class SocketFile: Sendable {
    /// The length of the backlog that is asked for; the kernel limits it to `net.core.somaxconn`.
    private static let backlog: Int32 = 4_096

    private struct State {
        /// The descriptor of the lock file.
        var lock: Int32
        /// The file that was bound; ``remove()`` removes no other.
        var identity: Identity?
        var isRemoved = false
        var watch: Watch?
    }

    /// The timer of ``watch(_:restored:)``.
    struct Watch: @unchecked Sendable {
        // Unchecked: a source can be cancelled on any thread.
        let timer: any DispatchSourceTimer
    }

    private struct Identity: Equatable {
        var device: dev_t
        var inode: ino_t
    }

    let address: UnixSocketAddress
    /// The first listening, non-blocking descriptor, which the user of this object closes.
    package let descriptor: Int32
    private let permissions: SocketPermissions
    private let makesFolder: Bool
    private let state: Mutex<State>

    /// Takes the lock, binds the socket and listens.
    ///
    /// - Parameters:
    ///   - address: the path of the socket.
    ///   - permissions: the permissions of the file.
    ///   - makesFolder: true to make the folder of the socket, which belongs to this user and to
    ///     which no one else may write. Others may pass through it if the permissions of the socket
    ///     let them connect.
    /// - Throws: a ``SystemError`` or ``CallError`` whose text names the path.
    package init(
        _ address: UnixSocketAddress,
        _ permissions: SocketPermissions,
        makesFolder: Bool = false
    ) throws {
        self.address = address
        self.permissions = permissions
        self.makesFolder = makesFolder
        if makesFolder { try Self.makeFolder(of: address, permissions) }
        let lock = try Self.takeLock(address)
        do {
            try Self.removeStaleSocket(address)
            descriptor = try Self.bind(address, permissions)
        } catch {
            Glibc.close(lock)
            throw error
        }
        state = Mutex(State(lock: lock, identity: Self.identity(address.path)))
    }

    /// Removes the socket file, if it is still the one that was bound, and releases the lock.
    package func remove() {
        state.withLock { state in
            guard !state.isRemoved else { return }
            state.isRemoved = true
            state.watch?.timer.cancel()
            if state.identity == Self.identity(address.path) { unlink(address.path) }
            Glibc.close(state.lock)
        }
    }

    /// Makes the socket file again, by the rules of a start, if it is not in its place.
    ///
    /// - Returns: the new listening descriptor, which the caller owns; nil if the file is in its
    ///   place, or ``remove()`` was called.
    /// - Throws: a ``SystemError`` or ``CallError`` whose text names the path: it cannot be made, or
    ///   something else is in its place.
    func restore() throws -> Int32? {
        try state.withLock { state in
            if state.isRemoved { return nil }
            let present = Self.identity(address.path)
            if present != nil, present == state.identity { return nil }
            if makesFolder { try Self.makeFolder(of: address, permissions) }
            if Self.identity(of: state.lock) != Self.identity(Self.lockPath(address)) {
                // The lock went with the file, and another server may have made its own.
                let lock = try Self.takeLock(address)
                Glibc.close(state.lock)
                state.lock = lock
            }
            try Self.removeStaleSocket(address)
            let descriptor = try Self.bind(address, permissions)
            state.identity = Self.identity(address.path)
            return descriptor
        }
    }

    /// Keeps the timer until ``remove()``.
    func set(_ watch: Watch) {
        state.withLock { state in
            if state.isRemoved { watch.timer.cancel() }
            state.watch = watch
        }
    }

    /// Returns the identity of the file at the path, which is not followed; nil if there is none.
    private static func identity(_ path: String) -> Identity? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return Identity(device: status.st_dev, inode: status.st_ino)
    }

    /// Returns the identity of an open file.
    private static func identity(of descriptor: Int32) -> Identity? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        return Identity(device: status.st_dev, inode: status.st_ino)
    }

    private static func makeFolder(
        of address: UnixSocketAddress,
        _ permissions: SocketPermissions
    ) throws {
        try makePrivateFolder(address.folder, mode: permissions.mode & 0o077 == 0 ? 0o700 : 0o711)
    }

    /// Makes the folder of a default socket address, which belongs to this user and to which no one
    /// else may write.
    ///
    /// - Parameters:
    ///   - folder: the path of the folder, which may exist already.
    ///   - mode: the permission bits that the folder gets.
    /// - Throws: a ``SystemError``, or FAILED_PRECONDITION if the path is not a folder, or a folder
    ///   of another user, or one to which others may write: they could put a socket of their own
    ///   into it.
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

    private static func lockPath(_ address: UnixSocketAddress) -> String { address.path + ".lock" }

    private static func takeLock(_ address: UnixSocketAddress) throws -> Int32 {
        let path = lockPath(address)
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
        // A server that does not use the lock file may be alive behind the socket.
        do {
            Glibc.close(try connect(to: address))
            throw alreadyServed(address)
        } catch let error as SystemError {
            guard error.number == ECONNREFUSED else {
                // A full backlog (EAGAIN) shows that the server is alive.
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
            // On Linux the file gets the mode of the socket, less the umask. So it never has more
            // than the owner's bits until chmod(2), whatever the umask is.
            guard fchmod(descriptor, permissions.mode & 0o700) == 0,
                address.withSocketAddress({ Glibc.bind(descriptor, $0, $1) }) == 0
            else { throw SystemError("cannot bind \(address)") }
            do {
                // The group is set before the mode, whose group bits must not be valid for the
                // former group.
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

    /// Makes a non-blocking stream socket that no child process inherits.
    static func makeSocket() throws -> Int32 {
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw SystemError("cannot make a socket") }
        return descriptor
    }

    /// Connects to a server and returns the non-blocking descriptor, which the caller owns.
    ///
    /// - Throws: a ``SystemError``, also with EAGAIN while the server's backlog is full (unix(7)).
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
