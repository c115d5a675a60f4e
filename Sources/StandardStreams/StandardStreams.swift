internal import Glibc

/// The standard streams of a program, any of which may be closed, full, or a pipe that nobody reads.
package enum StandardStreams {
    /// Makes the streams safe to use; to be called before anything is opened.
    ///
    /// The number of a closed one would be given to a socket or to the database. It is opened as
    /// `/dev/null` for the opposite use, so that reading or writing fails as on a closed one. Without
    /// the signal, a pipe without a reader is an error of the write.
    package static func prepare() {
        let uses = [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        // The lowest free number is the one that is given.
        for (stream, use) in uses where fcntl(stream, F_GETFD) < 0 { _ = open("/dev/null", use) }
        signal(SIGPIPE, SIG_IGN)
    }
}
