internal import FeedbackClient
internal import Foundation
internal import StandardStreams

extension StandardStreams {
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
