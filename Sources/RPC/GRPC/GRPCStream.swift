internal import CallStatus
internal import ProtoCodec

/// The state of a call on an HTTP/2 stream (gRPC, PROTOCOL-HTTP2.md): the progress of its request
/// and of its response.
///
/// It does no I/O: the session performs what the functions return. `Call` is the session's type of
/// a call. It is used on its session's loop only.
final class GRPCStream<Call> {
    // MARK: - The request

    /// An action that follows from the request.
    enum Input {
        /// Run the handler of a unary call with its message; the request has ended.
        case run(MessageBytes)
        /// Give the handler of a streaming call its next message.
        case deliver([UInt8])
        /// Tell the handler of a streaming call that no message follows.
        case endRequests
        /// Fail the call, whose client broke the protocol.
        case fail(CallError)
    }

    private enum Request {
        /// The header arrives.
        case header
        /// The request of a unary call, with the message if it has arrived.
        case unary(MessageBytes?)
        case streaming
        /// The outcome is known, so that data that still arrives is ignored.
        case ignored
        case ended
    }

    let id: Int32
    var head = GRPCRequestHead()
    var call: Call?
    /// The time at which the call fails; nil if it has no timeout.
    var deadline: ContinuousClock.Instant?
    private let messageBytesMax: Int
    private var request = Request.header
    private var decoder: GRPCMessageDecoder
    /// The number of bytes that have arrived and that the client may not replace by others yet.
    var unconsumedBytes = 0
    /// The part of the session's sum of memory that stands for this stream, in bytes.
    var countedBytes = 0
    /// The counted memory of the reply that waits as a value, in bytes.
    var unsentBytes = 0
    /// The counted memory of the message that is sent in parts, in bytes.
    var packedBytes = 0

    // MARK: - The response

    /// A change of the response that HTTP/2 must be told.
    enum Output {
        case nothing
        /// Submit the header, and a body that HTTP/2 will ask for.
        case submitHeader
        /// Resume the body, which has data again.
        case resumeBody
        /// Submit the header and the trailers in one.
        case submitTrailersOnly(CallError)
        /// Submit the trailers; nil stands for OK.
        case submitTrailers(CallError?)
    }

    /// The next part of the body.
    enum Part {
        /// Build the message, and report the outcome of that.
        case build(MessageBuilder)
        /// Send as many bytes, or none of them if the output has no room for all.
        case bytes(Int)
        /// End the body and submit the trailers; nil stands for OK.
        case end(CallError?)
        case nothing
    }

    private enum Message {
        case none
        /// The message is built when HTTP/2 asks for it.
        case waiting(MessageBuilder)
        /// The message is built when others that are sent in parts have been sent.
        case waitingForMemory(MessageBuilder)
        /// The message is about to be sent from the arena as a whole; it is built anew if there is
        /// no room.
        case whole(ProtoMessage, MessageBuilder)
        case parts(GRPCPackedMessage)
    }

    private enum Response {
        /// Nothing has been given to HTTP/2.
        case none
        /// The header has been given to HTTP/2; more messages may follow this one.
        case open(Message)
        /// The trailers follow this message; nil stands for OK.
        case ending(Message, CallError?)
        /// The trailers are submitted, and follow the last part of this message, which is about to
        /// be sent.
        case closing(Message)
        /// Everything has been given to HTTP/2, or the stream is reset.
        case finished
    }

    private var response = Response.none
    /// The number of bytes that have been received and sent.
    private var progress = 0
    /// The value that ``progress`` must have reached by the next check; nil if nothing is expected.
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

    /// True while data of the request is needed.
    var takesInput: Bool {
        switch request {
        case .unary, .streaming: true
        case .header, .ignored, .ended: false
        }
    }

    /// True while a message that is needed has arrived in part.
    var isInsideMessage: Bool { takesInput && decoder.isInsideMessage }

    /// The memory of requests that wait in this stream, in bytes; the call may hold more.
    var heldBytes: Int {
        switch request {
        case .unary(.owned(let bytes)): head.metadataBytes + decoder.heldBytes + bytes.count
        case .unary, .streaming: head.metadataBytes + decoder.heldBytes
        case .header, .ignored, .ended: 0
        }
    }

    /// Records that the header has arrived, and that the call will be served.
    func began(isStreaming: Bool) { request = isStreaming ? .streaming : .unary(nil) }

    /// Counts data that has arrived.
    func received(_ count: Int) {
        progress += count
        unconsumedBytes += count
    }

    /// Takes bytes off the front until there is an action, which must be performed before the next
    /// call.
    ///
    /// - Parameters:
    ///   - bytes: data of the stream, possibly none.
    ///   - isLast: true if the request ends with these bytes.
    /// - Returns: nil once all bytes are taken, and the end is handled.
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

    /// Copies a message that lies in the bytes, which become invalid.
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

    /// Forgets data of messages that nobody will take.
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

    /// The reply of a unary call that waits as a value; nil if there is none.
    var unsentReply: MessageBuilder? {
        switch response {
        case .ending(.waiting(let builder), _), .ending(.waitingForMemory(let builder), _): builder
        case .none, .open, .ending, .closing, .finished: nil
        }
    }

    /// The number of bytes that are left of the message that is being sent.
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
        // Responses are offered one at a time, and none is waited for after the end.
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
        // The handler has ended, and does not wait for a response that has not begun to be sent.
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
            // Trailers need no window, whereas HTTP/2 asks for the end of a body only when the
            // window is open.
            response = .finished
            return .submitTrailers(status)
        case .ending, .closing, .finished: return .nothing
        }
    }

    /// Ends the stream without a gRPC status: it is reset, or answered with a status of HTTP.
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

    /// Records that the message is built, and will be sent at once.
    func sendsWhole(_ message: ProtoMessage, _ builder: @escaping MessageBuilder) {
        setMessage(.whole(message, builder))
    }

    /// Records that the message is packed, and will be sent in parts.
    func sendsParts(_ message: GRPCPackedMessage) { setMessage(.parts(message)) }

    /// Records that the message must wait until others are sent.
    func waitsForMemory(_ builder: @escaping MessageBuilder) {
        setMessage(.waitingForMemory(builder))
    }

    /// Lets a message that waited for memory be built again.
    ///
    /// - Returns: false if none waits any more.
    func stopsWaitingForMemory() -> Bool {
        guard case .waitingForMemory(let builder) = message else { return false }
        setMessage(.waiting(builder))
        return true
    }

    /// Records that the output has no room for the part that ``nextPart(bytesMax:)`` returned.
    ///
    /// The arena will be used for something else until there is room.
    func hadNoRoom() {
        if case .whole(_, let builder) = message { setMessage(.waiting(builder)) }
    }

    /// Records that the message cannot be built: a unary call ends with the status, a streaming one
    /// goes on.
    func couldNotBuild(_ status: @autoclosure () -> CallError) {
        switch response {
        case .ending: response = .ending(.none, status())
        case .open: response = .open(.none)
        case .none, .closing, .finished: break
        }
    }

    /// Returns the trailers that must be submitted together with a part of `count` bytes, if it is
    /// the last.
    func trailers(afterPartOf count: Int) -> Part {
        guard case .ending(let message, let status) = response, count == bytesLeft else {
            return .nothing
        }
        response = .closing(message)
        return .end(status)
    }

    /// Writes the part that ``nextPart(bytesMax:)`` returned.
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
    /// The party for which the stream waits.
    private enum Awaited {
        /// The client must take or send the given number of bytes, which are left of a message.
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

    /// Compares the progress since the last check with what was expected, and sets what is expected
    /// next.
    ///
    /// - Parameters:
    ///   - mayRead: false while nothing is read, which excuses the client for missing bytes.
    ///   - bytesMin: the number of bytes that must move between two checks, unless fewer are left.
    /// - Returns: nil if nothing is expected of the client, else true if the progress is too small.
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
