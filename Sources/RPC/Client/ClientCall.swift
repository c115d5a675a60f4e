internal import CallStatus
internal import ProtoCodec

/// A call that a client waits for.
///
/// Used on the client's loop only, but for init.
final class ClientCall: @unchecked Sendable {
    // Unchecked: see above.

    /// Told the outcome once.
    ///
    /// The bytes are valid during the call only.
    typealias Completion = @Sendable (Result<UnsafeRawBufferPointer, any Error>, ProtoArena) -> Void

    let service: String
    let method: String
    let deadline: ContinuousClock.Instant?
    let encode: @Sendable (ProtoArena) throws -> ProtoMessage
    /// Called when the call has ended before an answer.
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

    /// Says whom to tell.
    ///
    /// A call that was cancelled before ends here.
    func begin(arena: ProtoArena, _ done: @escaping Completion) {
        self.arena = arena
        self.done = done
        if isEnded { complete(.failure(CallError(.cancelled, "the task was cancelled"))) }
    }

    var hasEnded: Bool { isEnded }

    /// Ends the call, unless it has ended.
    func complete(_ outcome: Result<UnsafeRawBufferPointer, any Error>) {
        isEnded = true
        guard let done, let arena else { return }
        self.done = nil
        done(outcome, arena)
        onEnd?()
        onEnd = nil
    }
}
