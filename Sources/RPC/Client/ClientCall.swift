internal import CallStatus
internal import ProtoCodec

/// A call of a client that waits for its answer.
///
/// It is used on the client's loop only, except for `init`.
final class ClientCall: @unchecked Sendable {
    // Unchecked: guarded by the queue of the client's loop, as above.

    /// Receives the outcome, once.
    ///
    /// The bytes of the response are valid during the call only.
    typealias Completion = @Sendable (Result<UnsafeRawBufferPointer, any Error>, ProtoArena) -> Void

    let service: String
    let method: String
    let deadline: ContinuousClock.Instant?
    let encode: @Sendable (ProtoArena) throws -> ProtoMessage
    /// Runs once the call has ended, with an answer or without: the session then forgets its
    /// stream.
    var onEnd: (() -> Void)?
    private var done: Completion?
    private var arena: ProtoArena?
    private var isEnded = false

    init(
        service: String,
        method: String,
        deadline: ContinuousClock.Instant?,
        encode: @escaping @Sendable (ProtoArena) throws -> ProtoMessage
    ) {
        self.service = service
        self.method = method
        self.deadline = deadline
        self.encode = encode
    }

    /// Sets the receiver of the outcome.
    ///
    /// A call that was cancelled before this ends here.
    func begin(arena: ProtoArena, _ done: @escaping Completion) {
        self.arena = arena
        self.done = done
        if isEnded { complete(.failure(CallError(.cancelled, "the task was cancelled"))) }
    }

    var hasEnded: Bool { isEnded }

    /// Ends the call with the outcome, unless it has ended.
    ///
    /// Before ``begin(arena:_:)`` only a cancellation may end it.
    func complete(_ outcome: Result<UnsafeRawBufferPointer, any Error>) {
        isEnded = true
        guard let done, let arena else { return }
        self.done = nil
        done(outcome, arena)
        onEnd?()
        onEnd = nil
    }
}
