internal import Dispatch
internal import ProtoCodec
internal import Synchronization

/// A call that a server works on, whatever protocol carried it.
///
/// It is made and answered on its connection's loop; what is public may be asked from any thread.
public final class ServerCall: @unchecked Sendable {
    // Unchecked: `task`, `session` and `record` are used in the loop's turns only.

    /// Who calls.
    public let peer: PeerCredentials
    /// When the caller stops waiting; nil if it said nothing.
    public let deadline: ContinuousClock.Instant?
    /// What the caller sent along, in order.
    public let metadata: [(key: String, value: MetadataValue)]
    /// True once nobody waits for the answer: the deadline passed, or the peer is gone.
    public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    let streamID: UInt32
    /// What waits of a streaming call; nil for a unary one.
    let messages: CallMessages?
    private let cancelled = Atomic<Bool>(false)
    private let loop: EventLoop
    private let session: any ServerSession
    /// Nil if nobody collects what is recorded, and after the end.
    private var record: CallRecord?
    private var task: Task<Void, Never>?
    private(set) var isAnswered = false
    /// Whether the handler has begun and not ended.
    private(set) var isHandlerRunning = false

    init(
        streamID: UInt32,
        peer: PeerCredentials,
        deadline: ContinuousClock.Instant?,
        metadata: [(key: String, value: MetadataValue)],
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
    deinit { ended(.cancelled) }

    /// The call was not answered at once.
    func waits() { record?.waits() }

    /// The answer is in the output, or nobody waits for it any more; `code` is nil for OK.
    func ended(_ code: RPCStatus.Code?) {
        guard let record else { return }
        self.record = nil
        record.end(code)
    }

    /// Answers at once.
    func answer<Response: Sendable>(
        _ response: Response,
        _ encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage
    ) {
        guard !isAnswered else { return }
        isAnswered = true
        // The closure that the session may keep costs memory; there is hardly ever need for it.
        if !session.finish(self, with: { arena in try encode(response, arena) }) {
            session.keep(self) { arena in try encode(response, arena) }
        }
    }

    /// Runs the handler, which returns the reply of a unary call and nil for a streaming one: at
    /// once and here, until it first suspends; afterwards on the loop.
    func run(
        mapping status: @escaping @Sendable (any Error) -> RPCStatus,
        _ handler: @escaping @Sendable () async throws -> MessageBuilder?
    ) {
        isHandlerRunning = true
        let task = Task.immediate(executorPreference: loop) {
            do {
                self.handlerEnded(.success(try await handler()), mapping: status)
            } catch {
                self.handlerEnded(.failure(error), mapping: status)
            }
        }
        if isHandlerRunning { self.task = task }
    }

    private func handlerEnded(
        _ result: Result<MessageBuilder?, any Error>,
        mapping status: @Sendable (any Error) -> RPCStatus
    ) {
        loop.preconditionInTurn()
        isHandlerRunning = false
        task = nil
        messages?.fail(CancellationError())
        guard !isAnswered else {
            session.handlerEnded(self)
            return
        }
        isAnswered = true
        switch result {
        case .success(let reply?):
            if !session.finish(self, with: reply) { session.keep(self, reply) }
        case .success(nil): session.finishStream(self)
        case .failure(let error): session.finish(self, failing: status(error))
        }
    }

    /// Answers with a failure now, and lets the handler know that nobody waits for it any more.
    func abandon(_ status: RPCStatus) {
        cancelled.store(true, ordering: .relaxed)
        let task = self.task
        self.task = nil
        // First, so that the session sees that nothing waits any more.
        messages?.fail(CancellationError())
        if !isAnswered {
            isAnswered = true
            session.finish(self, failing: status)
        }
        task?.cancel()
    }

    /// Calls `resume`, which resumes the handler, and lets it go on here, on this thread and before
    /// this returns, if the call's loop is at rest.
    public func goOn(_ resume: () -> Void) { loop.visit(resume) }

    /// Takes the turns of the call's loop here as long as the condition holds.
    public func attend(while condition: () -> Bool) { loop.attend(while: condition) }

    // MARK: - Streaming

    /// Does something with a streaming call's messages, on the loop.
    func onLoop(_ work: @escaping @Sendable (CallMessages, ProtoArena) -> Void) {
        guard let messages else { preconditionFailure("only streaming calls have messages") }
        loop.submit { [loop] in work(messages, loop.arena) }
    }

    func requestTaken() { session.requestTaken(self) }

    func responseWaits() { if messages?.response != nil { session.responseWaits(self) } }
}

/// A value of a call's metadata.
public enum MetadataValue: Sendable, Hashable {
    /// Text.
    case text(String)
    /// Bytes: gRPC's keys that end with `-bin`.
    case binary([UInt8])
}

extension RPCStatus {
    static let replyTooLarge = RPCStatus(
        .resourceExhausted,
        "the reply is larger than a message may be: ask for less at once"
    )
    static let notOneMessage = RPCStatus(
        .unimplemented,
        "the method takes exactly one message"
    )
    static let serverIsStopping = RPCStatus(.unavailable, "the server is shutting down")
}
