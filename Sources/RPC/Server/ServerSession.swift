internal import CallStatus
internal import ProtoCodec

/// Builds a message in the arena, when there is room to send it.
typealias MessageBuilder = @Sendable (ProtoArena) throws -> ProtoMessage

extension ProtoArena {
    /// Builds a response in the empty arena.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if it needs more memory than the arena has; what the builder
    ///   throws.
    func build(_ response: (ProtoArena) throws -> ProtoMessage) throws -> ProtoMessage {
        reset()
        do {
            return try response(self)
        } catch let error as ProtoError where error.kind == .tooLarge {
            throw CallError.replyTooLarge
        }
    }
}

/// The server's side of one connection, whichever protocol it speaks: bytes in, calls started,
/// outcomes out in any order.
///
/// Used on the connection's loop only.
protocol ServerSession: AnyObject {
    /// The methods that are served.
    var router: Router { get }
    /// Whether the peer has begun to speak the protocol.
    var hasBegun: Bool { get }
    /// Whether no call is left.
    var isIdle: Bool { get }
    /// Called when ``isIdle`` becomes true, as often as that happens.
    var onIdle: (() -> Void)? { get set }

    /// Takes what arrived.
    func receive(_ bytes: UnsafeRawBufferPointer)
    /// The peer sends no more, but may still wait for answers.
    func inputEnded()
    /// Sends what waited for room in the output.
    func sendWaiting()
    /// A time that the session asked to be woken at has come.
    func woke()
    /// Lets running calls finish, and no more begin.
    func drain()
    /// The connection is gone: nobody waits for its calls.
    func closed()

    /// Sends a unary call's reply; false if that is not possible now.
    func finish(_ call: ServerCall, with reply: (ProtoArena) throws -> ProtoMessage) -> Bool
    /// Keeps the reply that could not be sent until it can be.
    func keep(_ call: ServerCall, _ reply: @escaping MessageBuilder)
    /// Says that a streaming call has no more responses.
    func finishStream(_ call: ServerCall)
    /// Tells the caller why the call failed.
    func finish(_ call: ServerCall, failing status: CallError)
    /// The handler of a call that was abandoned has ended.
    func handlerEnded(_ call: ServerCall)
    /// A response of a streaming call waits in its messages.
    func responseWaits(_ call: ServerCall)
    /// The handler of a streaming call has taken a request.
    func requestTaken(_ call: ServerCall)
}
