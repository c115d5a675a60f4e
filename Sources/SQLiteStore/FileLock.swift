import FeedbackModel
import Glibc

/// A lock on a file, which other processes cannot take until this object or the process ends
/// (flock(2)).
final class FileLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock.
    ///
    /// The file is created if it does not exist, and never removed.
    ///
    /// - Throws: FAILED_PRECONDITION with the path if another process has the lock, or the file
    ///   cannot be opened.
    init(_ path: String) throws(CallError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            throw CallError(.failedPrecondition, "\(path): cannot be opened: \(reason)")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CallError(
                .failedPrecondition,
                "\(path): another process uses this journal: name another alerts_file"
            )
        }
    }

    /// Takes the lock of a folder, waiting for it.
    ///
    /// Where folders cannot be locked, this has no effect.
    ///
    /// - Throws: UNAVAILABLE if somebody else has the lock until the timeout.
    init(folder path: String, timeout: Duration) throws(CallError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let giveUpAt = ContinuousClock.now + timeout
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            guard .now < giveUpAt else {
                close(descriptor)
                throw CallError(.unavailable, "another process is opening a database in \(path)")
            }
            usleep(Self.pauseMicroseconds)
        }
    }

    private static let pauseMicroseconds: UInt32 = 5_000

    deinit { close(descriptor) }
}
