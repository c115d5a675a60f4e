internal import FeedbackClient
internal import Foundation

/// The program's standard streams, any of which may be closed, full, or a pipe that nobody reads.
enum StandardStreams {
    /// Makes the streams safe to use; to be called before anything is opened.
    ///
    /// A closed one is opened again, else a socket would get its number and what is printed. It is
    /// `/dev/null` for the opposite use, so that reading or writing fails as on a closed one. Without
    /// the signals, a pipe without a reader and a file at its limit are errors of the write.
    static func prepare() {
        let uses = [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        // The lowest free number is the one that is given.
        for (stream, use) in uses where fcntl(stream, F_GETFD) < 0 { _ = open("/dev/null", use) }
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Prints lines on standard output.
    ///
    /// - Throws: a ``Failure`` if not all of the text can be written.
    static func print(_ lines: String) throws(Failure) {
        if let code = write(lines + "\n", to: STDOUT_FILENO) {
            throw Failure(
                .output,
                "cannot write to standard output: \(String(cString: strerror(code)))"
            )
        }
    }

    /// Prints lines on standard error; there is nobody to tell if they cannot be written.
    static func complain(_ lines: String) { _ = write(lines + "\n", to: STDERR_FILENO) }

    /// Writes the text and returns nil, or the `errno` with which writing ended.
    private static func write(_ text: String, to stream: Int32) -> Int32? {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(stream, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Another program has made the stream non-blocking.
                var waiting = pollfd(fd: stream, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }
}
