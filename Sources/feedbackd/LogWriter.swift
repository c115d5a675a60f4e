internal import CoreMetrics
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Writes lines to standard error on a thread of its own: whoever logs never waits for what reads
/// the log.
///
/// Lines wait in a queue. Those that find it full, and those that cannot be written, are lost and
/// counted; a line in their place says how many.
final class LogWriter: @unchecked Sendable {
    // Unchecked: `lost` and `isTorn` are used on `queue` only.

    /// The limit of the lines that wait, in bytes.
    static let queueBytesMax = 1 << 20
    /// The longest time that the end of the program waits for the lines to be written.
    private static let drainTimeout = DispatchTimeInterval.seconds(1)
    /// A counter: lines that were lost.
    static let lostLinesLabel = "feedbackd_log_lines_lost_total"
    /// The help text of the counter.
    static let lostLinesHelp = "Lines of the log that standard error did not take."

    private struct State {
        var lines: [String] = []
        /// The bytes of `lines`, and of those that are being written.
        var bytes = 0
        /// The number of lines that found the queue full since the writer was last there.
        var dropped = 0
        var isWriting = false
        /// The number of lines that were lost so far.
        var lost = 0
        var counter: Counter?
    }

    private let descriptor: Int32
    private let queue = DispatchQueue(label: "feedbackd.log")
    private let state = Mutex(State())
    /// The number of lost lines that no line has told of.
    private var lost = 0
    /// True if the last thing that was written lacks its end.
    private var isTorn = false

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Counts lost lines, the former ones too.
    func count(in counter: Counter) {
        state.withLock { state in
            state.counter = counter
            counter.increment(by: state.lost)
        }
    }

    /// Puts a line, with its newline, into the queue.
    func write(_ line: String) {
        let isIdle = state.withLock { state in
            let bytes = line.utf8.count
            // Behind a lost line all others are lost too, until the writer takes the queue: so it
            // knows the place of the lost ones.
            if state.dropped == 0, state.bytes + bytes <= Self.queueBytesMax {
                state.lines.append(line)
                state.bytes += bytes
            } else {
                state.dropped += 1
                Self.count(1, &state)
            }
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if isIdle { queue.async { self.writeQueue() } }
    }

    /// Waits until the lines in the queue are written, for a second at most; returns true if they
    /// are.
    @discardableResult
    func drain() -> Bool {
        let isWritten = DispatchSemaphore(value: 0)
        queue.async { isWritten.signal() }
        return isWritten.wait(timeout: .now() + Self.drainTimeout) == .success
    }

    private func writeQueue() {
        while let (lines, dropped) = takeQueue() {
            for line in lines {
                if !tellOfLost() || !put(line) {
                    lost += 1
                    state.withLock { Self.count(1, &$0) }
                }
                state.withLock { $0.bytes -= line.utf8.count }
            }
            lost += dropped
            _ = tellOfLost()
        }
    }

    /// Returns the lines of the queue, and the number of those that were dropped behind them; nil
    /// if there are none.
    private func takeQueue() -> (lines: [String], dropped: Int)? {
        state.withLock { state in
            if state.lines.isEmpty, state.dropped == 0 {
                state.isWriting = false
                return nil
            }
            defer {
                state.lines = []
                state.dropped = 0
            }
            return (state.lines, state.dropped)
        }
    }

    /// Writes the number of lost lines, if there are any; returns false if that is not possible.
    private func tellOfLost() -> Bool {
        if lost == 0 { return true }
        let line = "\(isTorn ? "\n" : "")feedbackd: \(lost) lines of the log are lost here\n"
        guard put(line) else { return false }
        lost = 0
        return true
    }

    private static func count(_ lines: Int, _ state: inout State) {
        state.lost += lines
        state.counter?.increment(by: lines)
    }

    /// Writes the text; returns false if it is not written to its end.
    private func put(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = Glibc.write(descriptor, part.baseAddress, part.count)
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    // Another program has made the stream non-blocking.
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&waiting, 1, -1)
                } else if errno != EINTR {
                    if rest.count < bytes.count { isTorn = true }
                    return false
                }
            }
            isTorn = false
            return true
        }
    }
}

extension LogWriter: TextOutputStream {}
