internal import CallStatus
internal import ProtoCodec

/// The state of a call as an HTTP/2 stream carries it (gRPC, PROTOCOL-HTTP2.md): how far its request
/// has come, and how far its response.
///
/// Does no I/O: the session performs what the functions return. `Call` is the session's own idea of a
/// call. Used on its session's loop only.
final class GRPCStream<Call> {
    // MARK: - The request

    /// A step of the request's.
    enum Input {
        /// Run the handler of a unary call with its message; its request has ended.
        case run(MessageBytes)
        /// Give the handler of a streaming call its next message.
        case deliver([UInt8])
        /// Tell the handler of a streaming call that no message follows.
        case endRequests
        /// Fail the call: the client broke the protocol.
        case fail(CallError)
    }

    private enum Request {
        /// The header arrives.
        case header
        /// The request of a unary call, of which the message may have arrived.
        case unary(MessageBytes?)
        case streaming
        /// The outcome is known, so that what still arrives means nothing.
        case ignored
        case ended
    }

    let id: Int32
    var head = GRPCRequestHead()
    var call: Call?
    /// The time at which the call fails; nil if it may take as long as it likes.
    var deadline: ContinuousClock.Instant?
    private let messageBytesMax: Int
    private var request = Request.header
    private var decoder: GRPCMessageDecoder
    /// The number of bytes that have arrived without the client being allowed to send as many more.
    var unconsumedBytes = 0
    /// The number of bytes of this stream that the session includes in the memory of requests.
    var countedBytes = 0

    // MARK: - The response

    /// A change of the response's that HTTP/2 must be told.
    enum Output {
        case nothing
        /// Submit the header, and a body that will be asked for.
        case submitHeader
        /// The body that was asked for goes on.
        case resumeBody
        /// Submit the header and the trailers in one.
        case submitTrailersOnly(CallError)
        /// Submit the trailers; nil: of a call that succeeded.
        case submitTrailers(CallError?)
    }

    /// The next part of the body.
    enum Part {
        /// Build the message, and say what became of it.
        case build(MessageBuilder)
        /// That many bytes, of which none may be submitted if the output has no room for them.
        case bytes(Int)
        /// The end: submit the trailers; nil: of a call that succeeded.
        case end(CallError?)
        case nothing
    }

    private enum Message {
        case none
        /// It is built when there is room for it.
        case waiting(MessageBuilder)
        /// It is built when other messages that are sent in parts have gone.
        case waitingForMemory(MessageBuilder)
        /// All of it is about to be sent straight from the arena; it is built anew if there is no room.
        case whole(ProtoMessage, MessageBuilder)
        case parts(GRPCPackedMessage)
    }

    private enum Response {
        /// Nothing was given to HTTP/2.
        case none
        /// The header was; more messages may follow this one.
        case open(Message)
        /// The trailers follow this message; they say nil if the call succeeded.
        case ending(Message, CallError?)
        /// The trailers are submitted, and follow this message's last part, which is about to be sent.
        case closing(Message)
        /// All has been given to HTTP/2, or the stream is reset.
        case finished
    }

    private var response = Response.none
    /// The number of bytes that the client has sent and taken.
    private var progress = 0
    /// The number that ``progress`` must have reached by the next look; nil if nothing is expected.
    private var progressDue: Int?

    /// Makes the state of a stream whose header begins to arrive.
    init(id: Int32, messageBytesMax: Int) {
        self.id = id
        self.messageBytesMax = messageBytesMax
        decoder = GRPCMessageDecoder(messageBytesMax: messageBytesMax)
    }
}

// MARK: - Input

extension GRPCStream {
    /// True once the client has ended the request.
    var inputHasEnded: Bool {
        switch request {
        case .ended: true
        case .header, .unary, .streaming, .ignored: false
        }
    }

    /// True while the request's data is of use.
    var takesInput: Bool {
        switch request {
        case .unary, .streaming: true
        case .header, .ignored, .ended: false
        }
    }

    /// True while a part of a message has arrived that is of use.
    var isInsideMessage: Bool { takesInput && decoder.isInsideMessage }

    /// The memory of requests that wait in this stream, in bytes; the call may hold more.
    var heldBytes: Int {
        switch request {
        case .unary(.owned(let bytes)): decoder.heldBytes + bytes.count
        case .unary, .streaming: decoder.heldBytes
        case .header, .ignored, .ended: 0
        }
    }

    /// The header has arrived, and the call will be served.
    func began(isStreaming: Bool) { request = isStreaming ? .streaming : .unary(nil) }

    /// Counts data that arrived.
    func received(_ count: Int) {
        progress += count
        unconsumedBytes += count
    }

    /// Takes bytes off the front until something is to be done; perform it before the next call.
    ///
    /// - Parameters:
    ///   - bytes: data of the stream, possibly none.
    ///   - isLast: true if the request ends with these bytes.
    /// - Returns: nil once all bytes are taken, and the end is dealt with.
    func next(_ bytes: inout UnsafeRawBufferPointer, isLast: Bool) -> Input? {
        while takesInput {
            do {
                guard let message = try nextMessage(&bytes) else {
                    return isLast ? ended() : keep()
                }
                if let input = try take(message) { return input }
            } catch {
                ignoreInput()
                return .fail(error)
            }
        }
        if isLast { request = .ended }
        return nil
    }

    private func nextMessage(
        _ bytes: inout UnsafeRawBufferPointer
    ) throws(CallError) -> GRPCMessageDecoder.Message? {
        do {
            return try decoder.next(&bytes)
        } catch {
            switch error {
            case .tooLarge(let count):
                throw CallError(
                    .resourceExhausted,
                    "the message has \(count) bytes, at most \(messageBytesMax) are accepted"
                )
            case .unknownFlag(let flag):
                throw CallError(.internal, "a message's first byte must be 0 or 1, and is \(flag)")
            }
        }
    }

    private func take(_ message: GRPCMessageDecoder.Message) throws(CallError) -> Input? {
        switch request {
        case .streaming: return .deliver(try plain(message).copy)
        case .unary(nil): request = .unary(try plain(message))
        case .unary: throw CallError.notOneMessage
        case .header, .ignored, .ended: break
        }
        return nil
    }

    /// Returns the message's bytes without compression.
    private func plain(_ message: GRPCMessageDecoder.Message) throws(CallError) -> MessageBytes {
        guard message.isCompressed else { return message.bytes }
        guard head.isGzip else {
            throw CallError(.internal, "the message is compressed, but no grpc-encoding is named")
        }
        do {
            let bytesMax = messageBytesMax
            return .owned(try GzipInflater.inflate(message.bytes.copy, bytesMax: bytesMax))
        } catch {
            switch error {
            case .tooLarge:
                throw CallError(
                    .resourceExhausted,
                    "the message has more than \(messageBytesMax) bytes when it is decompressed"
                )
            case .malformed:
                throw CallError(.internal, "the message cannot be decompressed with gzip")
            }
        }
    }

    /// The bytes go: a message that lies in them is copied.
    private func keep() -> Input? {
        if case .unary(.borrowed(let bytes)) = request { request = .unary(.owned(Array(bytes))) }
        return nil
    }

    private func ended() -> Input? {
        defer { request = .ended }
        if decoder.isInsideMessage {
            return .fail(CallError(.internal, "the request ends within a message"))
        }
        switch request {
        case .streaming: return .endRequests
        case .unary(let message?): return .run(message)
        case .unary(nil): return .fail(.notOneMessage)
        case .header, .ignored, .ended: return nil
        }
    }

    /// Forgets what arrived of messages that nobody will take.
    private func ignoreInput() {
        if !inputHasEnded { request = .ignored }
        decoder = GRPCMessageDecoder(messageBytesMax: 0)
    }
}

// MARK: - Output

extension GRPCStream {
    /// True once everything has been given to HTTP/2.
    var isFinished: Bool {
        switch response {
        case .finished: true
        case .none, .open, .ending, .closing: false
        }
    }

    /// True if HTTP/2 has the header, and asks for the body.
    private var hasBody: Bool {
        switch response {
        case .open, .ending, .closing: true
        case .none, .finished: false
        }
    }

    private var message: Message {
        switch response {
        case .open(let message), .ending(let message, _), .closing(let message): message
        case .none, .finished: .none
        }
    }

    /// The memory of a message that is sent in parts, in bytes.
    var packedBytes: Int {
        switch message {
        case .parts(let message): message.size
        case .none, .waiting, .waitingForMemory, .whole: 0
        }
    }

    /// The number of bytes that are to be sent of the message that is being sent.
    private var bytesLeft: Int {
        switch message {
        case .none, .waiting, .waitingForMemory: 0
        case .whole(let message, _): GRPCMessageDecoder.prefixBytes + message.packedSize
        case .parts(let message): message.left
        }
    }

    /// Takes a response of a streaming call.
    func offer(_ builder: @escaping MessageBuilder) -> Output {
        switch response {
        case .none, .open(.none):
            defer { response = .open(.waiting(builder)) }
            return hasBody ? .resumeBody : .submitHeader
        // One at a time is offered; and nobody waits for one after the end.
        case .open, .ending, .closing, .finished: return .nothing
        }
    }

    /// Takes the reply of a unary call.
    func reply(_ builder: @escaping MessageBuilder) -> Output {
        switch response {
        case .none: end(.waiting(builder), nil)
        case .open, .ending, .closing, .finished: .nothing
        }
    }

    /// Ends the responses of a streaming call.
    func end() -> Output {
        switch message {
        case .parts: end(message, nil)
        // The handler has ended: nobody waits for a response that has not begun to be sent.
        case .none, .waiting, .waitingForMemory, .whole: end(.none, nil)
        }
    }

    private func end(_ message: Message, _ status: CallError?) -> Output {
        ignoreInput()
        switch response {
        case .none, .open:
            defer { response = .ending(message, status) }
            return hasBody ? .resumeBody : .submitHeader
        case .ending, .closing, .finished: return .nothing
        }
    }

    /// Ends the stream with a status that is not OK.
    func fail(_ status: CallError) -> Output {
        ignoreInput()
        switch response {
        case .none:
            response = .finished
            return .submitTrailersOnly(status)
        case .open(.parts): return end(message, status)
        case .open:
            // Trailers need no window, but what is given as the end of the body waits for one.
            response = .finished
            return .submitTrailers(status)
        case .ending, .closing, .finished: return .nothing
        }
    }

    /// Ends the stream without a status: it is reset, or answered by HTTP's means alone.
    func finish() {
        ignoreInput()
        response = .finished
    }

    /// Returns the next part of the body, for which HTTP/2 asks, of at most `bytesMax` bytes.
    func nextPart(bytesMax: Int) -> Part {
        switch response {
        case .none, .closing, .finished: return .nothing
        case .open(let message), .ending(let message, _):
            switch message {
            case .waiting(let builder), .waitingForMemory(let builder): return .build(builder)
            case .whole, .parts: return .bytes(min(bytesLeft, bytesMax))
            case .none: return endOfBody()
            }
        }
    }

    private func endOfBody() -> Part {
        guard case .ending(.none, let status) = response else { return .nothing }
        response = .finished
        return .end(status)
    }

    /// The message is built, and will be sent at once.
    func sendsWhole(_ message: ProtoMessage, _ builder: @escaping MessageBuilder) {
        setMessage(.whole(message, builder))
    }

    /// The message is packed, and will be sent in parts.
    func sendsParts(_ message: GRPCPackedMessage) { setMessage(.parts(message)) }

    /// The message must wait until others are sent.
    func waitsForMemory(_ builder: @escaping MessageBuilder) {
        setMessage(.waitingForMemory(builder))
    }

    /// The message that waited for memory may be built again.
    ///
    /// - Returns: false if none waits any more.
    func stopsWaitingForMemory() -> Bool {
        guard case .waitingForMemory(let builder) = message else { return false }
        setMessage(.waiting(builder))
        return true
    }

    /// The output has no room for what ``nextPart(bytesMax:)`` returned: the arena is used for
    /// something else before it has.
    func hadNoRoom() {
        if case .whole(_, let builder) = message { setMessage(.waiting(builder)) }
    }

    /// The message cannot be built: a unary call ends with the status, a streaming one goes on.
    func couldNotBuild(_ status: @autoclosure () -> CallError) {
        switch response {
        case .ending: response = .ending(.none, status())
        case .open: response = .open(.none)
        case .none, .closing, .finished: break
        }
    }

    /// Returns the trailers that must be submitted with a part of `count` bytes, since nothing follows
    /// it.
    func trailers(afterPartOf count: Int) -> Part {
        guard case .ending(let message, let status) = response, count == bytesLeft else {
            return .nothing
        }
        response = .closing(message)
        return .end(status)
    }

    /// Writes the part that was announced.
    ///
    /// - Returns: true if it was the message's last.
    func writePart(_ count: Int, to start: UnsafeMutableRawPointer) -> Bool {
        progress += count
        switch message {
        case .none, .waiting, .waitingForMemory: preconditionFailure("the part was announced")
        case .whole(let message, _):
            GRPCPackedMessage.write(message, to: start)
            setMessage(.none)
            return true
        case .parts(var message):
            message.write(count, to: start)
            setMessage(message.left == 0 ? .none : .parts(message))
            return message.left == 0
        }
    }

    private func setMessage(_ message: Message) {
        switch response {
        case .open: response = .open(message)
        case .ending(_, let status): response = .ending(message, status)
        case .closing:
            switch message {
            case .none: response = .finished
            case .waiting, .waitingForMemory, .whole, .parts: response = .closing(message)
            }
        case .none, .finished: break
        }
    }
}

// MARK: - Progress

extension GRPCStream {
    /// What the stream waits for.
    private enum Awaited {
        /// The client must take a message, or send one, of which that many bytes are left.
        case client(Int)
        case nothing
    }

    private func awaited(mayRead: Bool) -> Awaited {
        let input =
            isInsideMessage && mayRead ? Awaited.client(decoder.missingBytes) : .nothing
        switch response {
        case .open(.waitingForMemory), .ending(.waitingForMemory, _): return .nothing
        case .none, .open(.none), .finished: return input
        case .open, .ending, .closing: return .client(bytesLeft)
        }
    }

    /// Sees if the stream has come far enough since the last look, and says how far it must come by
    /// the next.
    ///
    /// - Parameters:
    ///   - mayRead: false while nothing is read: then the client is not to blame for missing bytes.
    ///   - bytesMin: the number of bytes that must move between two looks, unless fewer are left.
    /// - Returns: nil if nothing is expected of the client, else true if the stream stands still.
    func checkProgress(mayRead: Bool, bytesMin: Int) -> Bool? {
        let due = progressDue
        switch awaited(mayRead: mayRead) {
        case .nothing:
            progressDue = nil
            return nil
        case .client(let bytes):
            defer { progressDue = progress + max(1, min(bytes, bytesMin)) }
            return progress < due ?? 0
        }
    }
}
