internal import CoreMetrics
internal import Glibc

/// Receives what happens on a channel.
///
/// All methods are called on the channel's loop.
protocol ChannelDelegate: AnyObject {
    /// Bytes arrived; they are valid during the call only.
    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer)
    /// The peer sends no more, but may still wait for what is sent to it.
    func channelInputEnded(_ channel: Channel)
    /// The earliest time set with ``Channel/wake(at:)`` has come.
    func channelWoke(_ channel: Channel)
    /// There is room for more output, after ``Channel/hasRoom(for:)`` said no.
    func channelHasRoom(_ channel: Channel)
    /// The channel is closed: the last call.
    func channelClosed(_ channel: Channel)
}

/// A connected, non-blocking stream socket on an event loop.
///
/// It knows nothing of protocols.
final class Channel: @unchecked Sendable {
    // Unchecked: used on the loop's queue only, but for init.

    private enum State {
        case open
        /// Nothing more is sent after the output that waits; input is thrown away.
        case closing
        case closed
    }

    /// After that many reads in a row, the loop's other connections have a turn.
    private static let readsPerTurnMax = 16
    /// See ``flushIfLarge()``.
    private static let earlyFlushBytes = 4 * 1024

    let loop: EventLoop
    let descriptor: Int32
    /// The loop's number for this channel.
    private(set) var registrationID: UInt64 = 0
    private let limits: RPCLimits
    /// Kept while the channel is open.
    private var delegate: (any ChannelDelegate)?
    private var state = State.open
    private var inputHasEnded = false
    private var isReadingPaused = false
    /// Whether input may be waiting that no event will tell of again.
    private var mayHaveInput = false

    private var output = OutputBuffer()
    private var outputWasShutDown = false
    private var isInFlushList = false
    /// Whether the loop tells when the socket becomes writable.
    private var isOutputWatched = false
    /// Whether the delegate has more to write than fits.
    private var isFull = false
    /// When the output that the socket would not take was last seen to shrink; nil if there is none.
    private var stalledSince: ContinuousClock.Instant?

    private var delegateDeadline: ContinuousClock.Instant?
    private var closeDeadline: ContinuousClock.Instant?
    /// The earliest time at which the loop will wake this channel.
    private(set) var timer: ContinuousClock.Instant?

    /// Takes over the descriptor.
    ///
    /// Call ``start(delegate:)`` on the loop's queue next.
    init(descriptor: Int32, loop: EventLoop, limits: RPCLimits) {
        self.descriptor = descriptor
        self.loop = loop
        self.limits = limits
    }

    deinit { assert(state == .closed, "a channel must be closed before it is released") }

    /// Begins to read.
    ///
    /// The channel keeps the delegate, and the loop the channel, until it is closed.
    func start(delegate: any ChannelDelegate) {
        self.delegate = delegate
        do { registrationID = try loop.watch(self, descriptor) } catch { close() }
    }

    /// The socket's state has changed.
    ///
    /// `ending` says that the peer has ended its half, `gone` that it has closed its socket.
    func becameReady(readable: Bool, writable: Bool, ending: Bool, gone: Bool) {
        if writable, output.count > 0 { flush() }
        if readable { read(toTheEnd: ending) }
        // Where nothing is read, only this tells that nobody waits any more.
        if gone, !mayRead { close() }
    }

    // MARK: - Input

    /// Stops reading, for as long as the delegate is too busy to take more.
    func pauseReading() { isReadingPaused = true }

    /// Reads again.
    func resumeReading() {
        isReadingPaused = false
        readMore()
    }

    /// Reads what arrived while reading was not allowed.
    private func readMore() {
        guard mayHaveInput, mayRead else { return }
        loop.submit { self.read(toTheEnd: true) }
    }

    /// Whether input would be read now.
    var mayRead: Bool {
        state != .closed && !inputHasEnded && !isReadingPaused
            && (state == .closing || output.count < limits.outputQueueBytesPause)
    }

    /// Reads until the socket has no more for now.
    ///
    /// A read that does not fill the buffer has taken everything, and what comes later raises an
    /// event (epoll(7)), unless the peer has closed already: then only a further read tells.
    private func read(toTheEnd: Bool) {
        mayHaveInput = true
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
    }

    private func inputEnded() {
        inputHasEnded = true
        // A peer that only ended its half (shutdown) still waits for answers; one that closed its
        // socket does not, and only then poll says POLLHUP.
        var poller = pollfd(fd: descriptor, events: 0, revents: 0)
        let isGone = poll(&poller, 1, 0) == 1 && poller.revents & Int16(POLLHUP | POLLERR) != 0
        if isGone || state == .closing {
            close()
        } else {
            delegate?.channelInputEnded(self)
        }
    }

    // MARK: - Output

    /// Whether that many bytes may be written now.
    ///
    /// If not, the delegate is told when there is room, and the peer must go on reading.
    func hasRoom(for size: Int) -> Bool {
        if output.count == 0 || output.count + size <= limits.outputQueueBytesMax { return true }
        // What was written in this turn has not been tried on the socket yet.
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

    /// Appends bytes to the output, to be written at the end of the turn.
    ///
    /// `fill` is given where they begin. Output for a channel that closes is dropped.
    func write(_ size: Int, _ fill: (UnsafeMutableRawPointer) -> Void) {
        guard state == .open else { return }
        fill(output.append(size))
        if !isInFlushList {
            isInFlushList = true
            loop.flushLater(self)
        }
    }

    /// Writes output that has become much before the end of the turn: the peer goes on with it while
    /// the rest of its calls are worked on.
    ///
    /// Called between whole replies: half a one is of no use to the peer.
    func flushIfLarge() {
        if output.count >= Self.earlyFlushBytes, !isOutputWatched { flush() }
    }

    /// Writes what the socket takes; the rest follows when it can.
    func flush() {
        isInFlushList = false
        let readingWasPaused = output.count >= limits.outputQueueBytesPause
        var hasProgressed = stalledSince == nil
        while state != .closed, output.count > 0 {
            let bytes = output.bytes
            // MSG_NOSIGNAL: writing to a dead peer is an error here, not a signal.
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
        if output.count == 0 {
            stalledSince = nil
            if state == .closing { shutDownOutput() }
        } else if hasProgressed {
            let now = ContinuousClock.now
            stalledSince = now
            setTimer(now + stallTimeout)
        }
        if readingWasPaused { readMore() }
        if isFull, output.count <= limits.outputQueueBytesMax / 2 {
            isFull = false
            loop.submit { self.delegate?.channelHasRoom(self) }
        }
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

    /// Has the delegate woken at that time.
    ///
    /// Of several times the earliest counts: the delegate names the next when it is woken.
    func wake(at deadline: ContinuousClock.Instant) {
        if let delegateDeadline, delegateDeadline <= deadline { return }
        delegateDeadline = deadline
        setTimer(deadline)
    }

    /// One timer is enough: when it fires, the next is set.
    ///
    /// Calls with deadlines are far more frequent than deadlines that come.
    private func setTimer(_ deadline: ContinuousClock.Instant) {
        if let timer, timer <= deadline { return }
        timer = deadline
        loop.wake(self, at: deadline)
    }

    /// The loop's timer for this channel has fired.
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

    /// Sends what waits, tells the peer that no more comes, and closes when the peer has closed or
    /// the handshake timeout has passed.
    ///
    /// (Closing with unread input would make the peer lose what it has not read yet.)
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

    /// Closes at once; output that waits is lost.
    func close() {
        guard state != .closed else { return }
        state = .closed
        loop.close(descriptor)
        delegate?.channelClosed(self)
        delegate = nil
    }
}

extension Duration {
    /// In nanoseconds, at most about 292 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || carry ? (seconds > 0 ? .max : .min) : sum
    }
}
