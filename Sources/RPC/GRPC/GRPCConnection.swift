internal import CallStatus

/// The state of a gRPC connection as its server sees it: who is served, what the client must do in
/// time, and how the connection ends.
///
/// Does no I/O: the session performs the actions. The states of the calls are ``GRPCStream``s.
struct GRPCConnection {
    enum Action: Equatable {
        /// Tell the client that no call will begin any more, and ask whether it knows.
        case announceDrain
        /// Send the final GOAWAY: what the client still begins is not served.
        case finishDrain
        /// Send GOAWAY with the code, and close the connection.
        case terminate(HTTP2Session.ErrorCode)
        /// Close the connection at once.
        case close
        /// Look for streams that stand still.
        case checkProgress
    }

    /// The verdict on a request whose header has arrived.
    enum Admission {
        case serve(Router.Method)
        /// Answer with a status that is not OK.
        case refuse(CallError)
        /// Answer with a status of HTTP's.
        case fault(GRPCRequestHead.HTTPFault)
        /// Reset the stream: the client may safely try again elsewhere.
        case reset
    }

    private enum Phase {
        /// The client's preface, which its SETTINGS end, has not arrived.
        case handshake
        case open
        /// The connection is not served: its first call will be told why.
        case refusing(CallError)
        /// That call was told.
        case refused
        /// The server began to stop before the handshake: nothing is served.
        case drainedBeforeHandshake
        /// The client was told that the server stops, and should know by the time.
        case draining(noticeDeadline: ContinuousClock.Instant)
        /// The final GOAWAY is under way, or another one: no call begins any more.
        case drained
        /// The client sends no more, but may still wait for answers.
        case inputEnded
        case closed
    }

    /// The client's acknowledgement of the server's SETTINGS.
    private enum Acknowledgement {
        /// Not waited for before the handshake.
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
    /// The time by which the frame that has begun must have gone on; nil between frames.
    private var frameDeadline: ContinuousClock.Instant?
    /// The time of the next look at the streams that wait for the client; nil if none does.
    private var progressCheck: ContinuousClock.Instant?
    /// The number of handlers that run, those of abandoned calls too.
    private var runningHandlers = 0

    /// Makes the state of a connection on which nothing has arrived.
    ///
    /// - Parameters:
    ///   - limits: the limits of the connection.
    ///   - refusal: the answer to every call of a connection that is not served; nil if it is.
    init(limits: RPCLimits, refusal: CallError?) {
        self.limits = limits
        self.refusal = refusal
    }

    // MARK: - State

    /// True once the client has begun to speak HTTP/2.
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

    /// Returns true if no call is left, and none can begin that the client has been promised.
    func isIdle(hasStreams: Bool) -> Bool {
        switch phase {
        case .closed: true
        // The client may have begun a call before it knew.
        case .draining: false
        case .handshake, .open, .refusing, .refused, .drainedBeforeHandshake, .drained, .inputEnded:
            !hasStreams
        }
    }

    // MARK: - Input

    /// The client's SETTINGS have arrived, which end its preface.
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

    /// The client knows the server's SETTINGS.
    mutating func settingsAcknowledged() {
        if case .due = acknowledgement { acknowledgement = .arrived }
    }

    /// The client has answered the ping that follows the announcement of the drain.
    mutating func pingAcknowledged() -> Action? {
        guard case .draining = phase else { return nil }
        phase = .drained
        return .finishDrain
    }

    /// All that has arrived was handled.
    ///
    /// - Parameters:
    ///   - isInsideFrame: true if a frame has begun that has not arrived wholly.
    ///   - now: the present time.
    /// - Returns: the end of the connection if it has done all that it may.
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

    /// The client sends no more.
    mutating func inputEnded() {
        if !isClosed { phase = .inputEnded }
    }

    // MARK: - Calls

    /// Decides on a request whose header has arrived.
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
        // The client's count of streams does not say how many handlers run: those of streams that
        // were reset may go on.
        guard runningHandlers < limits.callsInFlightPerConnectionMax else { return .reset }
        switch phase {
        // A unary call that the client began before it knew ends by itself.
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

    /// A stream waits for the client: to take what is sent, or to go on with a message.
    ///
    /// - Returns: the time of the next look, if that was not set.
    mutating func expectProgress(
        now: @autoclosure () -> ContinuousClock.Instant
    ) -> ContinuousClock.Instant? {
        guard progressCheck == nil else { return nil }
        progressCheck = now() + limits.outputStallTimeout
        return progressCheck
    }

    /// Sees what is overdue.
    ///
    /// - Parameters:
    ///   - now: the present time.
    ///   - mayRead: false while nothing is read: then the client is not to blame.
    /// - Returns: one thing to do; ask again until there is none.
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

    /// The next time at which something is overdue; nil if nothing is expected.
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

    /// The server stops.
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

    /// HTTP/2 has ended, and with it every stream.
    mutating func ended() {
        if !isClosed { phase = .drained }
    }

    /// The connection is gone.
    mutating func closed() { phase = .closed }
}

extension CallError {
    fileprivate static let noPath = CallError(.unimplemented, "the request names no method")
}
