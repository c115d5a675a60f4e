internal import CoreMetrics
internal import Glibc

/// Receives the events of a channel.
///
/// All methods are called on the queue of the channel's loop.
protocol ChannelDelegate: AnyObject {
    /// Handles bytes that have arrived, which are valid during the call only.
    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer)
    /// Handles the end of the peer's output, after which the peer may still wait for answers.
    func channelInputEnded(_ channel: Channel)
    /// Handles a wakeup: the earliest time that was set with ``Channel/wake(at:)`` has come.
    func channelWoke(_ channel: Channel)
    /// Sends what waited for room in the output, after ``Channel/hasRoom(for:)`` returned false.
    func channelHasRoom(_ channel: Channel)
    /// Handles the end of the channel, after which no method is called any more.
    func channelClosed(_ channel: Channel)
}

/// A connected, non-blocking stream socket on an event loop.
///
/// The channel moves bytes and knows no protocol.
final class Channel: @unchecked Sendable {
    // Unchecked: used on the loop's queue only, but for init.

    private enum State {
        case open
        /// The output that waits is sent and nothing after it; input is discarded.
        case closing
        case closed
    }

    /// The maximum number of reads in a row, after which the loop's other connections have their
    /// turn.
    private static let readsPerTurnMax = 16
    /// The size from which ``flushIfLarge()`` writes the output, in bytes.
    private static let earlyFlushBytes = 4 * 1024

    let loop: EventLoop
    let descriptor: Int32
    /// The number that identifies this channel in the loop's events; 0 before the start.
    private(set) var registrationID: UInt64 = 0
    private var limits: RPCLimits { loop.limits }
    /// The account of the memory that the peer has in this process.
    let memory: ConnectionMemory
    /// The receiver of events, which is retained until the channel is closed.
    private var delegate: (any ChannelDelegate)?
    private var state = State.open
    private var inputHasEnded = false
    private var isReadingPaused = false
    /// True if input may wait that no further event will report, since events are edge-triggered.
    private var mayHaveInput = false
    /// True if reading has stopped because it was not allowed.
    private var hasStoppedReading = false

    private var output = OutputBuffer()
    /// The part of the output that is in the account of memory, in bytes.
    private var countedOutput = 0
    private var outputWasShutDown = false
    private var isInFlushList = false
    /// True while the loop reports when the socket becomes writable.
    private var isOutputWatched = false
    /// True while the delegate has more to write than fits into the output.
    private var isFull = false
    /// True while a streaming call waits for less output.
    private var isAwaitedByStream = false
    /// The time at which output that the socket did not take last shrank, or at which the output
    /// became full; nil while no output waits for the socket.
    private var stalledSince: ContinuousClock.Instant?

    private var delegateDeadline: ContinuousClock.Instant?
    private var closeDeadline: ContinuousClock.Instant?
    /// The earliest time at which the loop will wake this channel; nil if it will not.
    private(set) var timer: ContinuousClock.Instant?

    /// Takes ownership of a connected descriptor.
    ///
    /// The next call must be ``start(delegate:)``, on the loop's queue.
    init(descriptor: Int32, loop: EventLoop, memory: ConnectionMemory) {
        self.descriptor = descriptor
        self.loop = loop
        self.memory = memory
    }

    deinit { assert(state == .closed, "a channel must be closed before it is released") }

    /// Begins to read.
    ///
    /// Until the channel is closed, it retains the delegate, and the loop retains the channel. If
    /// the loop cannot watch the socket, the channel is closed at once.
    func start(delegate: any ChannelDelegate) {
        self.delegate = delegate
        do { registrationID = try loop.watch(self, descriptor) } catch { close() }
    }

    /// Handles a change of the socket's state.
    ///
    /// `ending` means that the peer has ended its output, `gone` that the peer has closed its
    /// socket or that the connection has failed.
    func becameReady(readable: Bool, writable: Bool, ending: Bool, gone: Bool) {
        if writable, output.count > 0 { flush() }
        if readable { read(toTheEnd: ending) }
        // While nothing is read, no read can notice that the peer is gone.
        if gone, !mayRead { close() }
    }

    // MARK: - Input

    /// Stops reading while the delegate cannot take more input.
    func pauseReading() { isReadingPaused = true }

    /// Resumes reading, beginning with the input that has arrived since ``pauseReading()``.
    func resumeReading() {
        isReadingPaused = false
        readMore()
    }

    /// Reads the input that arrived while reading was not allowed.
    private func readMore() {
        guard mayHaveInput, mayRead else { return }
        hasStoppedReading = false
        loop.submit { self.read(toTheEnd: true) }
    }

    /// True if input would be read now: reading is not paused, and the output is not too long.
    var mayRead: Bool {
        state != .closed && !inputHasEnded && !isReadingPaused
            && (state == .closing || output.count < outputBytesPause)
    }

    /// The size of the waiting output from which on nothing is read: little while the peer has more
    /// memory than it may.
    private var outputBytesPause: Int { reduced(limits.outputQueueBytesPause) }

    private func reduced(_ bytes: Int) -> Int {
        memory.isOver ? min(ConnectionMemory.freeBytes, bytes) : bytes
    }

    /// Reads until the socket has no more input for now.
    ///
    /// A read that does not fill the buffer has taken everything, and later input raises a new
    /// event (epoll(7)). This does not hold once the peer has closed its socket: then only a
    /// further read finds the end, and `toTheEnd` must be true.
    private func read(toTheEnd: Bool) {
        mayHaveInput = true
        hasStoppedReading = false
        var reads = 0
        while mayRead {
            if reads == Self.readsPerTurnMax {
                loop.submit { self.read(toTheEnd: toTheEnd) }
                return
            }
            reads += 1
            let buffer = loop.readBuffer
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 {
                loop.instruments?.receivedBytes.increment(by: count)
                if state == .open {
                    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                    delegate?.channel(self, received: bytes)
                }
                if count < buffer.count, !toTheEnd {
                    mayHaveInput = false
                    return
                }
            } else if count == 0 {
                inputEnded()
            } else if errno == EINTR {
                continue
            } else if errno == EAGAIN {
                mayHaveInput = false
                return
            } else {
                close()
            }
        }
        hasStoppedReading = true
    }

    private func inputEnded() {
        inputHasEnded = true
        // A peer that has only ended its output (shutdown(2)) still waits for answers. A peer that
        // has closed its socket does not, and only then poll(2) reports POLLHUP.
        var poller = pollfd(fd: descriptor, events: 0, revents: 0)
        let isGone = poll(&poller, 1, 0) == 1 && poller.revents & Int16(POLLHUP | POLLERR) != 0
        if isGone || state == .closing {
            close()
        } else {
            delegate?.channelInputEnded(self)
        }
    }

    // MARK: - Output

    /// Returns true if `size` bytes may be written now; an empty output takes any number.
    ///
    /// If not, the delegate is told when there is room, and the peer must take output within
    /// ``RPCLimits/outputFullTimeout``, or the channel is closed.
    func hasRoom(for size: Int) -> Bool {
        if output.count == 0 || output.count + size <= limits.outputQueueBytesMax { return true }
        // The output of this turn has not been offered to the socket yet.
        flush()
        if output.count == 0 || output.count + size <= limits.outputQueueBytesMax { return true }
        if !isFull, state != .closed {
            isFull = true
            let now = ContinuousClock.now
            stalledSince = now
            setTimer(now + limits.outputFullTimeout)
        }
        return false
    }

    /// Returns true if a streaming call may write `size` bytes now.
    ///
    /// If not, the delegate is told when there is room.
    func hasRoomForStream(_ size: Int) -> Bool {
        let bytesMax = reduced(limits.streamOutputBytesMax)
        if output.count >= bytesMax { flush() }
        if output.count < bytesMax { return hasRoom(for: size) }
        isAwaitedByStream = true
        return false
    }

    /// Appends `size` bytes to the output, which is written to the socket at the end of the turn.
    ///
    /// `fill` must initialize all of the bytes, to whose beginning it is given a pointer. Once the
    /// channel is closing, output is dropped.
    func write(_ size: Int, _ fill: (UnsafeMutableRawPointer) -> Void) {
        guard state == .open else { return }
        fill(output.append(size))
        if !isInFlushList {
            isInFlushList = true
            loop.flushLater(self)
        }
    }

    /// Writes a large output before the end of the turn, so that the peer can begin with it while
    /// the loop goes on with the peer's other calls.
    ///
    /// It must be called between whole replies, since a peer can do nothing with a part of one.
    func flushIfLarge() {
        if output.count >= Self.earlyFlushBytes, !isOutputWatched { flush() }
    }

    /// Writes as much output as the socket takes; the rest follows when the socket is writable
    /// again.
    func flush() {
        isInFlushList = false
        var hasProgressed = stalledSince == nil
        while state != .closed, output.count > 0 {
            let bytes = output.bytes
            // MSG_NOSIGNAL turns the signal for writing to a closed peer into the error EPIPE.
            let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                loop.instruments?.sentBytes.increment(by: count)
                output.removeFirst(count)
                hasProgressed = true
            } else if errno == EINTR {
                continue
            } else if errno == EAGAIN {
                break
            } else {
                close()
            }
        }
        if state != .closed { watchOutput(output.count > 0) }
        guard state != .closed else { return }
        countOutput()
        if output.count == 0 {
            stalledSince = nil
            if state == .closing { shutDownOutput() }
        } else if hasProgressed {
            let now = ContinuousClock.now
            stalledSince = now
            setTimer(now + stallTimeout)
        }
        if hasStoppedReading { readMore() }
        if isFull, output.count <= limits.outputQueueBytesMax / 2 {
            isFull = false
            loop.submit { self.delegate?.channelHasRoom(self) }
        }
        if isAwaitedByStream, output.count <= reduced(limits.streamOutputBytesMax) / 2 {
            isAwaitedByStream = false
            loop.submit { self.delegate?.channelHasRoom(self) }
        }
    }

    /// Accounts for the output that the socket did not take.
    private func countOutput() {
        let change = output.count - countedOutput
        if change > 0 { memory.takeAnyway(change) }
        if change < 0 { memory.give(-change) }
        countedOutput = output.count
    }

    private func watchOutput(_ isWanted: Bool) {
        guard isWanted != isOutputWatched else { return }
        isOutputWatched = isWanted
        do { try loop.watchOutput(isWanted, self) } catch { close() }
    }

    private var stallTimeout: Duration {
        isFull ? limits.outputFullTimeout : limits.outputStallTimeout
    }

    // MARK: - Time

    /// Wakes the delegate at `deadline`.
    ///
    /// Only the earliest of several times is kept: when it is woken, the delegate sets the next
    /// one.
    func wake(at deadline: ContinuousClock.Instant) {
        if let delegateDeadline, delegateDeadline <= deadline { return }
        delegateDeadline = deadline
        setTimer(deadline)
    }

    /// Makes the loop wake this channel at `deadline`, unless it will do so earlier: ``woke(at:)``
    /// then sets the next timer.
    ///
    /// So a channel needs few timers, although most calls have a deadline that is never reached.
    private func setTimer(_ deadline: ContinuousClock.Instant) {
        if let timer, timer <= deadline { return }
        timer = deadline
        loop.wake(self, at: deadline)
    }

    /// Handles the expiry of the loop's timer for this channel.
    func woke(at now: ContinuousClock.Instant) {
        guard state != .closed else { return }
        timer = nil
        let stallDeadline = stalledSince.map { $0 + stallTimeout }
        if let stallDeadline, stallDeadline <= now { return close() }
        if let closeDeadline, closeDeadline <= now { return close() }
        if let deadline = delegateDeadline, deadline <= now {
            delegateDeadline = nil
            delegate?.channelWoke(self)
        }
        let next = [stallDeadline, closeDeadline, delegateDeadline].compactMap { $0 }.min()
        if let next, state != .closed { setTimer(next) }
    }

    // MARK: - The end

    /// Sends the output that waits, then ends the output, and closes the channel when the peer has
    /// closed its socket or the handshake timeout has passed.
    ///
    /// Closing at once could leave input unread, for which the kernel gives the peer ECONNRESET
    /// instead of the end of the output.
    func closeAfterFlush() {
        guard state == .open else { return }
        state = .closing
        if output.count == 0 { shutDownOutput() }
        readMore()
    }

    private func shutDownOutput() {
        guard !outputWasShutDown else { return }
        outputWasShutDown = true
        shutdown(descriptor, Int32(SHUT_WR))
        if inputHasEnded { return close() }
        let deadline = ContinuousClock.now + limits.handshakeTimeout
        closeDeadline = deadline
        setTimer(deadline)
    }

    /// Closes the channel at once and drops the output that waits.
    func close() {
        guard state != .closed else { return }
        state = .closed
        loop.close(descriptor)
        // Calls that go on may keep this channel for long.
        output.removeAll()
        countOutput()
        delegate?.channelClosed(self)
        delegate = nil
    }
}

extension Duration {
    /// The duration in nanoseconds, limited to what an `Int64` holds, which is about 292 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || carry ? (seconds > 0 ? .max : .min) : sum
    }
}
