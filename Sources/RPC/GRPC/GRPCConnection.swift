internal import CallStatus

/// The state of a gRPC connection at its server: whether it is served, what the client must do in
/// time, and how the connection ends.
///
/// It does no I/O: the session performs the actions. The states of the calls are ``GRPCStream``s.
struct GRPCConnection {
    enum Action: Equatable {
        /// Announce to the client that no call will begin any more, and ask for an acknowledgement.
        case announceDrain
        /// Send the final GOAWAY: calls that the client begins later are not served.
        case finishDrain
        /// Send GOAWAY with the code, and close the connection.
        case terminate(HTTP2Session.ErrorCode)
        /// Close the connection at once.
        case close
        /// Look for streams that make no progress.
        case checkProgress
    }

    /// The decision about a request whose header has arrived.
    enum Admission {
        case serve(Router.Method)
        /// Answer with a gRPC status that is not OK.
        case refuse(CallError)
        /// Answer with a status of HTTP.
        case fault(GRPCRequestHead.HTTPFault)
        /// Reset the stream, after which the client may safely try again elsewhere.
        case reset
    }

    private enum Phase {
        /// The client's preface, which ends with its SETTINGS, has not arrived.
        case handshake
        case open
        /// The connection is not served, and its first call will get the reason.
        case refusing(CallError)
        /// The first call of a connection that is not served has got the reason.
        case refused
        /// The server began to stop before the handshake, so that nothing is served.
        case drainedBeforeHandshake
        /// The client was told of the shutdown, and should have acknowledged that by the deadline.
        case draining(noticeDeadline: ContinuousClock.Instant)
        /// GOAWAY has been submitted, and the client can begin no call after it.
        case drained
        /// The client sends no more, but may still wait for answers.
        case inputEnded
        case closed
    }

    /// The client's acknowledgement of the server's SETTINGS.
    private enum Acknowledgement {
        /// It is not awaited before the handshake.
        case notDue
        case due(ContinuousClock.Instant)
        case arrived
    }

    private let limits: RPCLimits
    private let refusal: CallError?
    private var phase = Phase.handshake
    private var acknowledgement = Acknowledgement.notDue
    /// The time by which a connection that is refused must have made its call; nil for others.
    private var refusalDeadline: ContinuousClock.Instant?
    /// The time by which more of the frame that has begun must have arrived; nil between frames.
    private var frameDeadline: ContinuousClock.Instant?
    /// The time of the next check of the streams that wait for the client; nil if there is none.
    private var progressCheck: ContinuousClock.Instant?
    /// The number of handlers that run, with those of abandoned calls.
    private var runningHandlers = 0

    /// Makes the state of a connection on which nothing has arrived.
    ///
    /// - Parameters:
    ///   - limits: the limits of the connection.
    ///   - refusal: the answer to the first call of a connection that is not served; nil if it is
    ///     served.
    init(limits: RPCLimits, refusal: CallError?) {
        self.limits = limits
        self.refusal = refusal
    }

    // MARK: - State

    /// True once the client's preface of HTTP/2 has arrived with its SETTINGS.
    var hasBegun: Bool {
        switch acknowledgement {
        case .notDue: false
        case .due, .arrived: true
        }
    }

    var isClosed: Bool {
        switch phase {
        case .closed: true
        case .handshake, .open, .refusing, .refused, .drainedBeforeHandshake, .draining, .drained,
            .inputEnded:
            false
        }
    }

    /// True once the client sends no more.
    var inputHasEnded: Bool {
        switch phase {
        case .inputEnded, .closed: true
        case .handshake, .open, .refusing, .refused, .drainedBeforeHandshake, .draining, .drained:
            false
        }
    }

    /// Returns true if no call is left and the client may not expect to begin another.
    func isIdle(hasStreams: Bool) -> Bool {
        switch phase {
        case .closed: true
        // The client may begin calls until it has acknowledged the announcement.
        case .draining: false
        case .handshake, .open, .refusing, .refused, .drainedBeforeHandshake, .drained, .inputEnded:
            !hasStreams
        }
    }

    // MARK: - Input

    /// Records that the client's SETTINGS have arrived, which end its preface.
    mutating func settingsArrived(now: ContinuousClock.Instant) {
        guard case .notDue = acknowledgement else { return }
        acknowledgement = .due(now + limits.handshakeTimeout)
        guard case .handshake = phase else { return }
        if let refusal {
            phase = .refusing(refusal)
            refusalDeadline = now + limits.handshakeTimeout
        } else {
            phase = .open
        }
    }

    /// Records that the client has acknowledged the server's SETTINGS.
    mutating func settingsAcknowledged() {
        if case .due = acknowledgement { acknowledgement = .arrived }
    }

    /// Records that the client has answered the ping that follows the announcement of the drain.
    mutating func pingAcknowledged() -> Action? {
        guard case .draining = phase else { return nil }
        phase = .drained
        return .finishDrain
    }

    /// Records that all bytes that have arrived were handled.
    ///
    /// - Parameters:
    ///   - isInsideFrame: true if a frame has begun that has not arrived wholly.
    ///   - now: the present time.
    /// - Returns: the end of a connection that may do nothing more; else nil.
    mutating func received(
        isInsideFrame: Bool,
        now: @autoclosure () -> ContinuousClock.Instant
    ) -> Action? {
        guard hasBegun else { return nil }
        frameDeadline = isInsideFrame ? now() + limits.handshakeTimeout : nil
        switch phase {
        case .refused, .drainedBeforeHandshake: return .terminate(.none)
        case .handshake, .open, .refusing, .draining, .drained, .inputEnded, .closed: return nil
        }
    }

    /// Records that the client sends no more.
    mutating func inputEnded() {
        if !isClosed { phase = .inputEnded }
    }

    // MARK: - Calls

    /// Decides about a request whose header has arrived.
    mutating func admit(_ head: GRPCRequestHead) -> Admission {
        switch phase {
        case .refusing(let status):
            phase = .refused
            return .refuse(status)
        case .refused, .drainedBeforeHandshake: return .reset
        case .handshake, .open, .draining, .drained, .inputEnded, .closed: break
        }
        if let fault = head.httpFault { return .fault(fault) }
        if let fault = head.fault { return .refuse(fault) }
        guard let method = head.method else { return .refuse(.noPath) }
        // The client's number of streams does not limit the number of handlers: those of streams
        // that were reset may go on.
        guard runningHandlers < limits.callsInFlightPerConnectionMax else { return .reset }
        switch phase {
        // A unary call that the client began before the acknowledgement ends by itself.
        case .draining where method.isStreaming, .drained where method.isStreaming:
            return .refuse(.serverIsStopping)
        case .draining, .drained, .handshake, .open, .refusing, .refused, .drainedBeforeHandshake,
            .inputEnded,
            .closed:
            return .serve(method)
        }
    }

    mutating func handlerBegan() { runningHandlers += 1 }

    mutating func handlerEnded() { runningHandlers -= 1 }

    // MARK: - Time

    /// Schedules a check, since a stream waits for the client to take output or to complete a
    /// message.
    ///
    /// - Returns: the time of the check; nil if one is scheduled already.
    mutating func expectProgress(
        now: @autoclosure () -> ContinuousClock.Instant
    ) -> ContinuousClock.Instant? {
        guard progressCheck == nil else { return nil }
        progressCheck = now() + limits.outputStallTimeout
        return progressCheck
    }

    /// Finds something whose deadline has passed, and records that it is dealt with.
    ///
    /// - Parameters:
    ///   - now: the present time.
    ///   - mayRead: false while nothing is read, which excuses the client for missing bytes.
    /// - Returns: an action to perform before asking again; nil if nothing is overdue.
    mutating func overdue(now: ContinuousClock.Instant, mayRead: Bool) -> Action? {
        if case .due(let deadline) = acknowledgement, deadline <= now {
            acknowledgement = .arrived
            return .terminate(.settingsTimeout)
        }
        if let deadline = refusalDeadline, deadline <= now {
            refusalDeadline = nil
            return .terminate(.none)
        }
        if let deadline = frameDeadline, deadline <= now {
            if mayRead { return .close }
            frameDeadline = now + limits.handshakeTimeout
        }
        if case .draining(let deadline) = phase, deadline <= now { return pingAcknowledged() }
        if let check = progressCheck, check <= now {
            progressCheck = nil
            return .checkProgress
        }
        return nil
    }

    /// The earliest deadline; nil if there is none.
    var nextDeadline: ContinuousClock.Instant? {
        var next = progressCheck
        func add(_ deadline: ContinuousClock.Instant) { next = min(next ?? deadline, deadline) }
        if let refusalDeadline { add(refusalDeadline) }
        if let frameDeadline { add(frameDeadline) }
        if case .due(let deadline) = acknowledgement { add(deadline) }
        if case .draining(let deadline) = phase { add(deadline) }
        return next
    }

    // MARK: - The end

    /// Begins to stop the connection, since the server stops.
    mutating func drain(now: ContinuousClock.Instant) -> Action? {
        switch phase {
        case .handshake:
            phase = .drainedBeforeHandshake
            return nil
        case .open:
            phase = .draining(noticeDeadline: now + limits.drainNoticeTimeout)
            return .announceDrain
        case .refusing, .refused, .drainedBeforeHandshake, .draining, .drained, .inputEnded,
            .closed:
            return nil
        }
    }

    /// Records the end of HTTP/2, and with it of every stream.
    mutating func ended() {
        if !isClosed { phase = .drained }
    }

    /// Records the end of the connection.
    mutating func closed() { phase = .closed }
}

extension CallError {
    fileprivate static let noPath = CallError(.unimplemented, "the request names no method")
}
