internal import Dispatch
internal import Glibc

/// Receives what happens on a channel.
///
/// All methods are called on the channel's loop.
protocol ChannelDelegate: AnyObject {
    /// Bytes arrived; they are valid during the call only.
    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer)
    /// The peer sends no more. If it is gone altogether, `close` follows at once.
    func channelInputEnded(_ channel: Channel)
    /// The time set with ``Channel/wake(at:)`` has come.
    func channelWoke(_ channel: Channel)
    /// The channel is closed: the last call.
    func channelClosed(_ channel: Channel)
}

/// A connected, non-blocking stream socket on an event loop.
///
/// It knows nothing of protocols.
///
/// Reading goes on until the socket would block, every time: after the peer has closed, bytes that
/// are left raise no further event. The descriptor is closed when its last event source has ended,
/// or a new connection with the same number would never get an event.
final class Channel: @unchecked Sendable {
    // Unchecked: used on `loop.queue` only.

    private enum State {
        case open
        /// Nothing more is sent after the output that waits; input is thrown away.
        case closing
        case closed
    }

    /// After that many reads in a row, the loop's other connections have a turn.
    private static let readsPerTurnMax = 16

    let loop: EventLoop
    private let descriptor: Int32
    private let limits: RPCLimits
    private weak var delegate: (any ChannelDelegate)?
    private var state = State.open
    private var inputHasEnded = false
    private var outputWasShutDown = false
    private var readingIsHeld = false
    private var output = OutputBuffer()
    private var isInFlushList = false
    /// When the output that the socket would not take was last seen to shrink, or began to wait.
    private var outputProgress = ContinuousClock.now

    private let readSource: any DispatchSourceRead
    private var readSourceIsSuspended = false
    private var writeSource: (any DispatchSourceWrite)?
    private var writeSourceIsSuspended = true
    private var timer: (any DispatchSourceTimer)?
    private var timerDeadline: ContinuousClock.Instant?
    private var delegateDeadline: ContinuousClock.Instant?
    private var openSources = 1
    /// Keeps the delegate alive while the channel is open.
    private var owner: (any ChannelDelegate)?

    /// Takes over the descriptor.
    ///
    /// Call ``start(delegate:)`` on the loop's queue next.
    init(descriptor: Int32, loop: EventLoop, limits: RPCLimits) {
        self.descriptor = descriptor
        self.loop = loop
        self.limits = limits
        readSource = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: loop.queue)
    }

    deinit { assert(state == .closed, "a channel is closed before it is let go") }

    /// Begins to read.
    ///
    /// The channel keeps the delegate, and itself, until it is closed.
    func start(delegate: any ChannelDelegate) {
        dispatchPrecondition(condition: .onQueue(loop.queue))
        owner = delegate
        self.delegate = delegate
        readSource.setEventHandler { self.loop.turn { self.read() } }
        readSource.setCancelHandler { self.sourceEnded() }
        readSource.activate()
    }

    // MARK: - Input

    /// Stops reading, for as long as the delegate is too busy to take more.
    func holdReading() { readingIsHeld = true }

    /// Reads again.
    func continueReading() {
        guard readingIsHeld else { return }
        readingIsHeld = false
        // No event tells of what arrived meanwhile, if the peer has closed.
        loop.submit { self.read() }
    }

    private var mayRead: Bool {
        state != .closed && !inputHasEnded && !readingIsHeld
            && (state == .closing || output.count < limits.outputQueueBytesPause)
    }

    private func read() {
        var reads = 0
        while mayRead {
            if reads == Self.readsPerTurnMax {
                loop.submit { self.read() }
                break
            }
            reads += 1
            let buffer = loop.readBuffer
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 {
                if state == .open {
                    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                    delegate?.channel(self, received: bytes)
                }
            } else if count == 0 {
                inputEnded()
            } else if errno == EINTR {
                continue
            } else if errno == EAGAIN {
                break
            } else {
                close()
            }
        }
        updateReadSource()
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

    private func updateReadSource() {
        guard state != .closed, mayRead == readSourceIsSuspended else { return }
        readSourceIsSuspended.toggle()
        if readSourceIsSuspended { readSource.suspend() } else { readSource.resume() }
    }

    // MARK: - Output

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
        if output.count > limits.outputQueueBytesMax {
            flush()
            // What the peer left unread in the socket and here is more than it may.
            if output.count > limits.outputQueueBytesMax { close() }
        }
    }

    /// Writes what the socket takes; the rest follows when it can.
    func flush() {
        isInFlushList = false
        let readingWasPaused = output.count >= limits.outputQueueBytesPause
        var isStalled = !writeSourceIsSuspended
        while state != .closed, output.count > 0 {
            let bytes = output.bytes
            // MSG_NOSIGNAL: writing to a dead peer is an error here, not a signal.
            let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                output.removeFirst(count)
                isStalled = false
            } else if errno == EINTR {
                continue
            } else if errno == EAGAIN {
                break
            } else {
                close()
            }
        }
        guard state != .closed else { return }
        updateWriteSource()
        if readingWasPaused { loop.submit { self.read() } } else { updateReadSource() }
        if state == .closing, output.count == 0 { shutDownOutput() }
        if output.count > 0 {
            if !isStalled { outputProgress = .now }
            armTimer()
        }
    }

    private func updateWriteSource() {
        let isWanted = output.count > 0
        if writeSource == nil {
            guard isWanted else { return }
            let source = DispatchSource.makeWriteSource(
                fileDescriptor: descriptor,
                queue: loop.queue
            )
            source.setEventHandler { self.loop.turn { self.flush() } }
            source.setCancelHandler { self.sourceEnded() }
            source.activate()
            writeSource = source
            writeSourceIsSuspended = false
            openSources += 1
        }
        guard isWanted == writeSourceIsSuspended else { return }
        writeSourceIsSuspended.toggle()
        if writeSourceIsSuspended { writeSource?.suspend() } else { writeSource?.resume() }
    }

    // MARK: - Time

    /// Has the delegate woken at that time, unless another call of this comes first; nil for not at
    /// all.
    ///
    /// It may also be called earlier.
    func wake(at deadline: ContinuousClock.Instant?) {
        delegateDeadline = deadline
        armTimer()
    }

    private var nextDeadline: ContinuousClock.Instant? {
        let stall = writeSourceIsSuspended ? nil : outputProgress + limits.outputStallTimeout
        guard let stall, let delegateDeadline else { return stall ?? delegateDeadline }
        return min(stall, delegateDeadline)
    }

    /// Sets the timer, unless it is set to go off early enough: then it is set again when it does,
    /// which is far rarer than calls with deadlines are.
    private func armTimer() {
        guard state != .closed, let deadline = nextDeadline else { return }
        if let timerDeadline, timerDeadline <= deadline { return }
        timerDeadline = deadline
        let source = timer ?? makeTimer()
        let wait = max(.zero, deadline - .now)
        source.schedule(
            deadline: .now() + .nanoseconds(Int(clamping: wait.nanoseconds)),
            leeway: .microseconds(100)
        )
    }

    private func makeTimer() -> any DispatchSourceTimer {
        let source = DispatchSource.makeTimerSource(queue: loop.queue)
        source.setEventHandler { self.loop.turn { self.timerFired() } }
        source.activate()
        timer = source
        return source
    }

    private func timerFired() {
        guard state != .closed else { return }
        timerDeadline = nil
        let now = ContinuousClock.now
        if !writeSourceIsSuspended, outputProgress + limits.outputStallTimeout <= now {
            close()
            return
        }
        if let deadline = delegateDeadline, deadline <= now {
            delegateDeadline = nil
            delegate?.channelWoke(self)
        }
        armTimer()
    }

    // MARK: - The end

    /// Sends what waits, tells the peer that no more comes, and closes when the peer has closed or
    /// the handshake timeout has passed. (Closing with unread input would make the peer lose what it
    /// has not read yet.)
    func closeAfterFlush() {
        guard state == .open else { return }
        state = .closing
        if output.count == 0 { shutDownOutput() }
        loop.submit { self.read() }
    }

    private func shutDownOutput() {
        guard !outputWasShutDown else { return }
        outputWasShutDown = true
        shutdown(descriptor, Int32(SHUT_WR))
        if inputHasEnded {
            close()
            return
        }
        let seconds = Double(limits.handshakeTimeout.nanoseconds) / 1e9
        loop.queue.asyncAfter(deadline: .now() + seconds) { [weak self] in
            self?.loop.turn { self?.close() }
        }
    }

    /// Closes at once; output that waits is lost.
    func close() {
        guard state != .closed else { return }
        state = .closed
        readSource.cancel()
        if readSourceIsSuspended { readSource.resume() }
        writeSource?.cancel()
        if writeSourceIsSuspended { writeSource?.resume() }
        timer?.cancel()
        timer = nil
        delegate?.channelClosed(self)
        owner = nil
    }

    private func sourceEnded() {
        openSources -= 1
        if openSources == 0 { Glibc.close(descriptor) }
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
