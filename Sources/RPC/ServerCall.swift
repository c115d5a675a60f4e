internal import Dispatch
internal import ProtoCodec
internal import Synchronization

/// A call that a server works on, whatever protocol carried it.
///
/// It is made and answered on its connection's loop; what is public may be asked from any thread.
public final class ServerCall: @unchecked Sendable {
    // Unchecked: `task` and `session` are used on the loop's queue only.

    /// Who calls.
    public let peer: PeerCredentials
    /// When the caller stops waiting; nil if it said nothing.
    public let deadline: ContinuousClock.Instant?
    /// What the caller sent along, in order.
    public let metadata: [(key: String, value: String)]
    /// True once nobody waits for the answer: the deadline passed, or the peer is gone.
    public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    let streamID: UInt32
    private let cancelled = Atomic<Bool>(false)
    private let loop: EventLoop
    private let session: TTRPCServerSession
    private var task: Task<Void, Never>?
    private(set) var isAnswered = false

    init(
        streamID: UInt32,
        peer: PeerCredentials,
        deadline: ContinuousClock.Instant?,
        metadata: [(key: String, value: String)],
        loop: EventLoop,
        session: TTRPCServerSession
    ) {
        self.streamID = streamID
        self.peer = peer
        self.deadline = deadline
        self.metadata = metadata
        self.loop = loop
        self.session = session
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

    /// Runs the handler: at once and here, until it first suspends; afterwards on the loop.
    func run(
        mapping status: @escaping @Sendable (any Error) -> RPCStatus,
        _ handler:
            @escaping @Sendable () async throws -> @Sendable (ProtoArena) throws -> ProtoMessage
    ) {
        let task = Task.immediate(executorPreference: loop) {
            do {
                self.answer(.success(try await handler()), mapping: status)
            } catch {
                self.answer(.failure(error), mapping: status)
            }
        }
        if !isAnswered { self.task = task }
    }

    private func answer(
        _ result: Result<@Sendable (ProtoArena) throws -> ProtoMessage, any Error>,
        mapping status: @Sendable (any Error) -> RPCStatus
    ) {
        dispatchPrecondition(condition: .onQueue(loop.queue))
        guard !isAnswered else { return }
        isAnswered = true
        task = nil
        switch result {
        case .success(let reply):
            if !session.finish(self, with: reply) { session.keep(self, reply) }
        case .failure(let error): session.finish(self, failing: status(error))
        }
    }

    /// Answers with a failure now, and lets the handler know that nobody waits for it any more.
    func abandon(_ status: RPCStatus) {
        cancelled.store(true, ordering: .relaxed)
        let task = self.task
        self.task = nil
        if !isAnswered {
            isAnswered = true
            session.finish(self, failing: status)
        }
        task?.cancel()
    }
}

extension RPCStatus {
    static let replyTooLarge = RPCStatus(
        .resourceExhausted,
        "the reply is larger than a message may be: ask for less at once"
    )
}
