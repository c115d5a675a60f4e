internal import CallStatus
internal import Dispatch
internal import ProtoCodec
internal import Synchronization

/// A call that a server works on, over any protocol.
///
/// It is made and answered on its connection's loop. `isCancelled` may be read on any thread.
final class ServerCall: CallCancellation, @unchecked Sendable {
    // Unchecked: `state`, `session`, `messages`, `record` and `responsesOfTurn` are used on the loop's
    // queue only.

    /// The time at which the caller stops waiting; nil if the call has no timeout.
    let deadline: ContinuousClock.Instant?
    /// True once nobody waits for the answer, for example because the deadline passed or the peer
    /// is gone.
    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
    /// The part of the call that its handler may see.
    var context: CallContext {
        CallContext(
            peer: peer,
            deadline: deadline,
            metadata: metadata,
            replyBytesMax: session.limits.frameBytesMax,
            cancellation: self
        )
    }

    let streamID: UInt32
    /// The messages of a streaming call; nil for a unary one.
    let messages: CallMessages?
    private let peer: PeerCredentials
    private let metadata: CallMetadata
    private let cancelled = Atomic<Bool>(false)
    let loop: EventLoop
    private let session: any ServerSession
    /// False if the reply must reach its caller, since the call may have changed something.
    let mayRefuseReply: Bool
    /// The memory that the request takes while its handler runs, in bytes.
    private var requestBytes: Int
    /// The call's entry in the metrics; nil if no metrics system is installed, and once the outcome
    /// is recorded.
    private var record: CallRecord?
    private var state = State.running(nil)
    /// The number of responses that were sent at once since the call's last turn for it.
    private var responsesOfTurn = 0
    /// The number of responses in a row after which the loop's other connections have their turn.
    private static let responsesPerTurnMax = 64

    private enum State {
        /// The handler runs, or is about to. The task is known once it has suspended for the first
        /// time.
        case running(Task<Void, Never>?)
        /// The caller has an answer, though the handler still runs.
        case abandoned
        case ended
    }

    /// True once the call has its outcome: the handler has ended, or the call was abandoned.
    var isAnswered: Bool {
        switch state {
        case .running: false
        case .abandoned, .ended: true
        }
    }

    /// True until the handler has ended.
    var isHandlerRunning: Bool {
        switch state {
        case .running, .abandoned: true
        case .ended: false
        }
    }

    init(
        streamID: UInt32,
        peer: PeerCredentials,
        deadline: ContinuousClock.Instant?,
        metadata: CallMetadata,
        messages: CallMessages? = nil,
        requestBytes: Int,
        mayRefuseReply: Bool,
        loop: EventLoop,
        session: any ServerSession,
        record: CallRecord? = nil
    ) {
        self.streamID = streamID
        self.peer = peer
        self.deadline = deadline
        self.metadata = metadata
        self.messages = messages
        self.requestBytes = requestBytes
        self.mayRefuseReply = mayRefuseReply
        self.loop = loop
        self.session = session
        self.record = record
    }

    // A call that ends here without an outcome has an answer that could not be sent any more.
    deinit { recordOutcome(.cancelled) }

    /// Counts the call as in flight, since it was not answered at once.
    func markInFlight() { record?.waits() }

    /// Records the outcome of the call, whose answer is in the output or is not waited for any
    /// more.
    ///
    /// `code` is nil for OK. Only the first outcome counts.
    func recordOutcome(_ code: CallError.Code?) {
        guard let record else { return }
        self.record = nil
        record.end(code)
    }

    // MARK: - The handler

    /// Records the handler's task, which has run on the loop until it first suspended or ended.
    func handlerBegan(_ task: Task<Void, Never>) {
        if case .running = state { state = .running(task) }
    }

    /// Answers a unary call with the result or the error of its handler.
    func respond<Request: Sendable, Response: Sendable>(
        to request: Request,
        _ encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        _ handle: @Sendable (Request, CallContext) async throws -> Response
    ) async {
        do {
            let response = try await handle(request, context)
            guard handlerEnded() else { return }
            // A closure that can be kept is allocated only if the session cannot send the reply at
            // once.
            if !session.finish(self, with: { arena in try encode(response, arena) }) {
                session.keep(self) { arena in try encode(response, arena) }
            }
        } catch {
            handlerThrew(error)
        }
    }

    /// Ends a streaming call when its handler returns or throws.
    func respond(_ handle: @Sendable () async throws -> Void) async {
        do {
            try await handle()
            if handlerEnded() { session.finishStream(self) }
        } catch {
            handlerThrew(error)
        }
    }

    private func handlerThrew(_ error: any Error) {
        if handlerEnded() { session.finish(self, failing: session.router.status(of: error)) }
    }

    /// Records the end of the handler; returns false if the call was abandoned and has an answer.
    private func handlerEnded() -> Bool {
        dispatchPrecondition(condition: .onQueue(loop.queue))
        let wasAbandoned = isAnswered
        state = .ended
        releaseRequest()
        messages?.fail(CancellationError())
        if wasAbandoned { session.handlerEnded(self) }
        return !wasAbandoned
    }

    /// Gives back the memory of the request, which its handler has taken or cannot take.
    func releaseRequest() {
        session.channel.memory.give(requestBytes)
        requestBytes = 0
    }

    /// Answers the call with a failure now, and cancels the handler, which may go on for a while.
    func abandon(_ status: CallError) {
        cancelled.store(true, ordering: .relaxed)
        // The messages end first, so that the session sees none of them waiting.
        messages?.fail(CancellationError())
        guard case .running(let task) = state else { return }
        state = .abandoned
        session.finish(self, failing: status)
        task?.cancel()
    }

    // MARK: - Streaming

    /// Uses the messages of a streaming call on the loop; may be called from any thread.
    func onLoop(_ work: @escaping @Sendable (CallMessages, ProtoArena) -> Void) {
        guard let messages else { preconditionFailure("only streaming calls have messages") }
        loop.submit { [loop] in work(messages, loop.arena) }
    }

    /// Uses the messages of a streaming call, at once if its handler runs on the loop, as it does but
    /// for the time that it spends on an actor: so several responses are sent in one turn, at most
    /// ``responsesPerTurnMax``.
    ///
    /// The session does not know the call before the handler has suspended for the first time.
    func onLoopAtOnce(_ work: @escaping @Sendable (CallMessages, ProtoArena) -> Void) {
        guard loop.isCurrent, case .running(.some) = state, let messages,
            responsesOfTurn < Self.responsesPerTurnMax
        else {
            return onLoop { [self] messages, arena in
                responsesOfTurn = 0
                work(messages, arena)
            }
        }
        responsesOfTurn += 1
        work(messages, loop.arena)
    }

    func requestTaken() { session.requestTaken(self) }

    func responseWaits() { if messages?.response != nil { session.responseWaits(self) } }
}

extension CallError {
    static let notOneMessage = CallError(
        .unimplemented,
        "the method takes exactly one message"
    )
    static let serverIsStopping = CallError(.unavailable, "the server is shutting down")
}
