internal import CallStatus
internal import ProtoCodec

/// Builds a message in the arena when there is room to send it.
typealias MessageBuilder = @Sendable (ProtoArena) throws -> ProtoMessage

extension ProtoArena {
    /// Builds a response in the arena, which is emptied first.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if the response needs more memory than the arena has; the
    ///   errors of the builder.
    func build(_ response: (ProtoArena) throws -> ProtoMessage) throws -> ProtoMessage {
        reset()
        do {
            return try response(self)
        } catch let error as ProtoError where error.kind == .tooLarge {
            throw CallError.replyTooLarge
        }
    }
}

/// The server's side of one connection of any protocol: takes bytes, starts calls, and sends their
/// outcomes in any order.
///
/// It is used on the connection's loop only.
protocol ServerSession: AnyObject {
    var channel: Channel { get }
    var limits: RPCLimits { get }
    /// The router of the methods that are served.
    var router: Router { get }
    /// True once the peer has begun to speak the protocol.
    var hasBegun: Bool { get }
    /// True if no call is left.
    var isIdle: Bool { get }
    /// Runs whenever ``isIdle`` becomes true.
    var onIdle: (() -> Void)? { get set }

    /// Handles bytes that have arrived.
    func receive(_ bytes: UnsafeRawBufferPointer)
    /// Handles the end of the peer's output, after which the peer may still wait for answers.
    func inputEnded()
    /// Sends what waited for room in the output.
    func sendWaiting()
    /// Handles a wakeup of the channel: some time that was set may have come.
    func woke()
    /// Lets running calls finish and no more begin.
    func drain()
    /// Handles the end of the connection, after which nobody waits for its calls.
    func closed()

    /// Sends the reply of a unary call; returns false if that is not possible now.
    func finish(_ call: ServerCall, with reply: (ProtoArena) throws -> ProtoMessage) -> Bool
    /// Keeps a reply that could not be sent until it can be.
    func keep(_ call: ServerCall, _ reply: @escaping MessageBuilder)
    /// Ends a streaming call, which has no more responses.
    func finishStream(_ call: ServerCall)
    /// Ends a call with a status that is not OK.
    func finish(_ call: ServerCall, failing status: CallError)
    /// Handles the end of the handler of a call that was abandoned.
    func handlerEnded(_ call: ServerCall)
    /// Sends the response that waits in the messages of a streaming call, now or when there is
    /// room.
    func responseWaits(_ call: ServerCall)
    /// Handles that a streaming call's handler has taken a request, or now waits for one.
    func requestTaken(_ call: ServerCall)
}
