internal import CallStatus
internal import Dispatch
internal import ProtoCodec
internal import Synchronization

/// A call that a server works on, whatever protocol carried it.
///
/// It is made and answered on its connection's loop; whether it is cancelled may be asked from any
/// thread.
final class ServerCall: CallCancellation, @unchecked Sendable {
    // Unchecked: `state`, `session` and `record` are used on the loop's queue only.

    /// When the caller stops waiting; nil if it said nothing.
    let deadline: ContinuousClock.Instant?
    /// True once nobody waits for the answer: the deadline passed, or the peer is gone.
    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
    /// What the handler is told of the call.
    var context: CallContext {
        CallContext(peer: peer, deadline: deadline, metadata: metadata, cancellation: self)
    }

    let streamID: UInt32
    /// What waits of a streaming call; nil for a unary one.
    let messages: CallMessages?
    private let peer: PeerCredentials
    private let metadata: CallMetadata
    private let cancelled = Atomic<Bool>(false)
    let loop: EventLoop
    private let session: any ServerSession
    /// Nil if nobody collects what is recorded, and after the end.
    private var record: CallRecord?
    private var state = State.running(nil)

    private enum State {
        /// The handler runs, or is about to; its task is known once it has first suspended.
        case running(Task<Void, Never>?)
        /// The caller has its answer, though the handler still runs.
        case abandoned
        case ended
    }

    /// Whether the caller has its answer.
    var isAnswered: Bool {
        switch state {
        case .running: false
        case .abandoned, .ended: true
        }
    }

    /// Whether the handler has begun and not ended.
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
        loop: EventLoop,
        session: any ServerSession,
        record: CallRecord? = nil
    ) {
        self.streamID = streamID
        self.peer = peer
        self.deadline = deadline
        self.metadata = metadata
        self.messages = messages
        self.loop = loop
        self.session = session
        self.record = record
    }

    // An answer that could not be sent any more.
    deinit { recordOutcome(.cancelled) }

    /// The call was not answered at once.
    func markInFlight() { record?.waits() }

    /// The answer is in the output, or nobody waits for it any more; `code` is nil for OK.
    func recordOutcome(_ code: CallError.Code?) {
        guard let record else { return }
        self.record = nil
        record.end(code)
    }

    // MARK: - The handler

    /// The handler's task has run, at once and here, until it first suspended or ended; it goes on on
    /// the loop.
    func handlerBegan(_ task: Task<Void, Never>) {
        if case .running = state { state = .running(task) }
    }

    /// Answers a unary call with what the handler returns or throws.
    func respond<Request: Sendable, Response: Sendable>(
        to request: Request,
        _ encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        _ handle: @Sendable (Request, CallContext) async throws -> Response
    ) async {
        do {
            let response = try await handle(request, context)
            guard handlerEnded() else { return }
            // The closure that the session may keep costs memory; there is hardly ever need for it.
            if !session.finish(self, with: { arena in try encode(response, arena) }) {
                session.keep(self) { arena in try encode(response, arena) }
            }
        } catch {
            handlerThrew(error)
        }
    }

    /// Ends a streaming call when the handler returns or throws.
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

    /// Notes the handler's end; false if the caller has an answer already.
    private func handlerEnded() -> Bool {
        dispatchPrecondition(condition: .onQueue(loop.queue))
        let wasAbandoned = isAnswered
        state = .ended
        messages?.fail(CancellationError())
        if wasAbandoned { session.handlerEnded(self) }
        return !wasAbandoned
    }

    /// Answers with a failure now, and lets the handler know that nobody waits for it any more.
    func abandon(_ status: CallError) {
        cancelled.store(true, ordering: .relaxed)
        // First, so that the session sees that nothing waits any more.
        messages?.fail(CancellationError())
        guard case .running(let task) = state else { return }
        state = .abandoned
        session.finish(self, failing: status)
        task?.cancel()
    }

    // MARK: - Streaming

    /// Does something with a streaming call's messages, on the loop.
    func onLoop(_ work: @escaping @Sendable (CallMessages, ProtoArena) -> Void) {
        guard let messages else { preconditionFailure("only streaming calls have messages") }
        loop.submit { [loop] in work(messages, loop.arena) }
    }

    func requestTaken() { session.requestTaken(self) }

    func responseWaits() { if messages?.response != nil { session.responseWaits(self) } }
}

extension CallError {
    static let replyTooLarge = CallError(
        .resourceExhausted,
        "the reply is larger than a message may be: ask for less at once"
    )
    static let notOneMessage = CallError(
        .unimplemented,
        "the method takes exactly one message"
    )
    static let serverIsStopping = CallError(.unavailable, "the server is shutting down")
}
