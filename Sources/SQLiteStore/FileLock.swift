import FeedbackModel
import Glibc

/// Keeps other processes from using something, until it goes or the process ends.
final class FileLock: Sendable {
    private let descriptor: Int32

    /// Makes the file if it is missing; it stays there.
    ///
    /// - Throws: FAILED_PRECONDITION with the path if another has the lock, or the file cannot be
    ///   opened.
    init(_ path: String) throws(FeedbackError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            throw FeedbackError(.failedPrecondition, "\(path): cannot be opened: \(reason)")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw FeedbackError(
                .failedPrecondition,
                "\(path): another process uses this file of alerts: name another alerts_file"
            )
        }
    }

    deinit { close(descriptor) }
}
