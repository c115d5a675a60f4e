internal import ProtoCodec

/// The server's side of gRPC over HTTP/2 (gRPC, PROTOCOL-HTTP2.md): streams in, calls started,
/// responses and statuses out.
///
/// Used on its channel's loop only.
final class GRPCServerSession: ServerSession, @unchecked Sendable {
    // Unchecked: see above.

    let channel: Channel
    let limits: RPCLimits
    private let peer: PeerCredentials
    let router: Router
    /// Why no call of this connection is served; nil if they are.
    let refusal: RPCStatus?
    private var hasRefused = false
    private(set) lazy var http2 = HTTP2Session(channel: channel, limits: limits, delegate: self)
    var streams: [Int32: GRPCServerStream] = [:]
    /// The stream whose header arrives.
    private var beginning: GRPCServerStream?
    /// A message that lies in the input, until its stream's input ends.
    private var lent: (stream: GRPCServerStream, message: UnsafeRawBufferPointer)?
    /// How many handlers run, those of abandoned calls too.
    private var runningHandlers = 0
    /// The memory of requests that wait.
    private var heldBytes = 0
    /// How many streams have something to send.
    var streamsWithOutput = 0

    var onIdle: (() -> Void)?
    private var isDraining = false
    private var isDrained = false
    private var inputHasEnded = false
    private var isClosed = false

    // Times at which something is overdue; nil if it is not expected.
    var settingsDeadline: ContinuousClock.Instant?
    var frameDeadline: ContinuousClock.Instant?
    var drainDeadline: ContinuousClock.Instant?
    var progressCheck: ContinuousClock.Instant?

    init(
        channel: Channel,
        peer: PeerCredentials,
        router: Router,
        limits: RPCLimits,
        refusal: RPCStatus?
    ) {
        self.channel = channel
        self.peer = peer
        self.router = router
        self.limits = limits
        self.refusal = refusal
    }

    var hasBegun: Bool { http2.hasBegun }
    var isIdle: Bool {
        isClosed || (streams.isEmpty && (!isDraining || isDrained || !hasBegun))
    }

    // MARK: - The connection

    func receive(_ bytes: UnsafeRawBufferPointer) {
        http2.receive(bytes)
        lent = nil
        // The refusal must be sent before the end.
        if refusal != nil, hasRefused { return http2.terminate(.none) }
        sendWaiting()
        noteWhatIsExpected()
    }

    func inputEnded() {
        inputHasEnded = true
        // What has not arrived by now never will.
        for stream in Array(streams.values) where !stream.inputHasEnded {
            http2.reset(stream.id, .cancel)
        }
        http2.send()
        becameIdleIfSo()
    }

    func sendWaiting() {
        http2.send()
        if streamsWithOutput > 0 { expectProgress() }
    }

    /// Announces the end, and ends the calls that stream, which may have no end of their own.
    func drain() {
        isDraining = true
        guard hasBegun else { return }
        let deadline = ContinuousClock.now + limits.drainNoticeTimeout
        drainDeadline = deadline
        channel.wake(at: deadline)
        http2.announceDrain()
        for stream in Array(streams.values) where stream.call?.messages != nil {
            stream.call?.abandon(.serverIsStopping)
        }
        becameIdleIfSo()
    }

    func closed() {
        isClosed = true
        http2.closed()
        abandonAll()
    }

    private func abandonAll() {
        let calls = streams.values.compactMap(\.call)
        streams = [:]
        lent = nil
        beginning = nil
        streamsWithOutput = 0
        heldBytes = 0
        for call in calls { call.abandon(.connectionIsClosed) }
    }

    private func becameIdleIfSo() {
        guard !isClosed, isIdle else { return }
        if inputHasEnded { channel.closeAfterFlush() }
        onIdle?()
    }

    // MARK: - Calls

    /// Within HTTP/2's callbacks nothing can be sent, and elsewhere keeping the reply costs little.
    func finish(_ call: ServerCall, with reply: (ProtoArena) throws -> ProtoMessage) -> Bool {
        false
    }

    func keep(_ call: ServerCall, _ reply: @escaping MessageBuilder) {
        end(call) { stream in
            stream.response = reply
            stream.isEnding = true
            beginOutput(of: stream)
        }
    }

    func finishStream(_ call: ServerCall) {
        end(call) { stream in
            stream.isEnding = true
            beginOutput(of: stream)
        }
    }

    func finish(_ call: ServerCall, failing status: RPCStatus) {
        end(call) { stream in fail(stream, status) }
    }

    private func end(_ call: ServerCall, _ answer: (GRPCServerStream) -> Void) {
        if !call.isHandlerRunning { runningHandlers -= 1 }
        guard let stream = streams[Int32(bitPattern: call.streamID)] else { return }
        answer(stream)
        sendWaiting()
    }

    func handlerEnded(_ call: ServerCall) { runningHandlers -= 1 }

    func responseWaits(_ call: ServerCall) {
        guard let stream = streams[Int32(bitPattern: call.streamID)] else { return }
        beginOutput(of: stream)
        sendWaiting()
    }

    func requestTaken(_ call: ServerCall) {
        guard let stream = streams[Int32(bitPattern: call.streamID)] else { return }
        count(stream)
        allowMore(on: stream)
        sendWaiting()
    }

    /// Has HTTP/2 ask for what the stream has to send.
    private func beginOutput(of stream: GRPCServerStream) {
        if !stream.outputIsCounted {
            stream.outputIsCounted = true
            streamsWithOutput += 1
        }
        if stream.headersAreSubmitted {
            http2.resume(stream.id)
        } else {
            stream.headersAreSubmitted = true
            http2.submitWithBody(GRPCResponse.headers, to: stream.id)
        }
    }

    /// Ends the stream with a status that is not OK.
    func fail(_ stream: GRPCServerStream, _ status: RPCStatus) {
        guard !stream.isFinished, !isClosed else { return }
        if stream.headersAreSubmitted {
            stream.ending = status
            stream.isEnding = true
            beginOutput(of: stream)
        } else {
            let arena = channel.loop.arena
            finish(
                stream,
                with: GRPCResponse.trailersOnly(status, bytesMax: limits.statusBytesMax, arena)
            )
        }
    }

    /// Answers with a header only.
    private func finish(_ stream: GRPCServerStream, with headers: HTTP2Fields) {
        stream.headersAreSubmitted = true
        stream.isFinished = true
        http2.submit(headers, to: stream.id)
    }

    // MARK: - Requests

    private func start(_ stream: GRPCServerStream) {
        if let refusal {
            hasRefused = true
            return fail(stream, refusal)
        }
        switch stream.head.httpFault {
        case .methodNotAllowed: return finish(stream, with: GRPCResponse.methodNotAllowed)
        case .unsupportedMediaType:
            return finish(stream, with: GRPCResponse.unsupportedMediaType)
        case nil: break
        }
        if let fault = stream.head.fault { return fail(stream, fault) }
        guard let method = stream.head.method else { return fail(stream, .noPath) }
        // The client's count of streams does not say how many handlers run: those of streams that
        // were reset may go on.
        guard runningHandlers < limits.callsInFlightPerConnectionMax else {
            return http2.reset(stream.id, .refusedStream)
        }
        if let timeout = stream.head.timeout {
            let deadline = ContinuousClock.now + min(timeout, limits.callTimeoutMax)
            stream.deadline = deadline
            channel.wake(at: deadline)
        }
        if case .streaming(let start) = method.handler {
            let call = makeCall(stream, messages: CallMessages())
            runningHandlers += 1
            start(call)
        }
    }

    private func makeCall(
        _ stream: GRPCServerStream,
        messages: CallMessages? = nil
    ) -> ServerCall {
        let call = ServerCall(
            streamID: UInt32(bitPattern: stream.id),
            peer: peer,
            deadline: stream.deadline,
            metadata: stream.head.metadata,
            messages: messages,
            loop: channel.loop,
            session: self
        )
        stream.call = call
        return call
    }

    /// Takes a whole message; `isLast` says that the stream's input ends while what is lent is there.
    private func take(
        _ message: GRPCMessageDecoder.Message,
        isCompressed: Bool,
        isLast: Bool,
        for stream: GRPCServerStream
    ) {
        guard !stream.isFinished else { return }
        do throws(RPCStatus) {
            if let call = stream.call {
                guard let messages = call.messages else { throw RPCStatus.notOneMessage }
                messages.add(try isCompressed ? inflate(message, stream) : message.copy)
                return
            }
            guard !stream.hasMessage else { throw RPCStatus.notOneMessage }
            stream.hasMessage = true
            if isCompressed {
                stream.message = try inflate(message, stream)
            } else if isLast, case .lent(let bytes) = message {
                lent = (stream, bytes)
            } else {
                stream.message = message.copy
            }
        } catch {
            abandon(stream, error)
        }
    }

    private func inflate(
        _ message: GRPCMessageDecoder.Message,
        _ stream: GRPCServerStream
    ) throws(RPCStatus) -> [UInt8] {
        guard stream.head.isGzip else {
            throw RPCStatus(.internal, "the message is compressed, but no grpc-encoding is named")
        }
        do {
            return try GzipInflater.inflate(message.copy, bytesMax: limits.frameBytesMax)
        } catch {
            switch error {
            case .tooLarge:
                throw RPCStatus(
                    .resourceExhausted,
                    "the message has more than \(limits.frameBytesMax) bytes when it is decompressed"
                )
            case .malformed:
                throw RPCStatus(.internal, "the message cannot be decompressed with gzip")
            }
        }
    }

    /// Runs the handler of a unary call.
    private func run(_ stream: GRPCServerStream, _ message: UnsafeRawBufferPointer) {
        guard case .unary(let start) = stream.head.method?.handler else { return }
        let arena = channel.loop.arena
        arena.reset()
        let call = makeCall(stream)
        runningHandlers += 1
        do {
            try start(message, arena, call)
        } catch {
            runningHandlers -= 1
            stream.call = nil
            fail(stream, router.status(error))
        }
    }

    // MARK: - Memory

    /// Counts the memory of a stream's requests anew.
    private func count(_ stream: GRPCServerStream) {
        heldBytes += stream.heldBytes - stream.countedBytes
        stream.countedBytes = stream.heldBytes
    }

    /// Lets the client send on while the handler has taken what came.
    private func allowMore(on stream: GRPCServerStream) {
        guard !stream.inputHasEnded, stream.unconsumedBytes > 0,
            stream.call?.messages?.hasWaitingRequest != true
        else { return }
        http2.consumeStream(stream.id, stream.unconsumedBytes)
        stream.unconsumedBytes = 0
    }
}

// MARK: - HTTP2SessionDelegate

extension GRPCServerSession: HTTP2SessionDelegate {
    func http2Began(_ streamID: Int32) {
        let stream = GRPCServerStream(id: streamID, messageBytesMax: limits.frameBytesMax)
        streams[streamID] = stream
        beginning = stream
    }

    func http2Header(
        _ streamID: Int32,
        name: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) {
        beginning?.head.add(
            name: name,
            value: value,
            router: router,
            listBytesMax: limits.metadataBytesMax
        )
    }

    func http2HeadersEnded(_ streamID: Int32) {
        guard let stream = beginning else { return }
        beginning = nil
        start(stream)
    }

    func http2Received(_ streamID: Int32, _ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        // Whatever one stream does with its data, the others go on.
        http2.consumeConnection(bytes.count)
        guard let stream = streams[streamID], !stream.isFinished else { return }
        stream.progress += bytes.count
        stream.unconsumedBytes += bytes.count
        do throws(GRPCMessageDecoder.Failure) {
            try stream.decoder.decode(bytes) { message, isCompressed in
                take(message, isCompressed: isCompressed, isLast: isLast, for: stream)
            }
        } catch {
            abandon(stream, status(of: error))
        }
        guard !isLast else { return }
        count(stream)
        if heldBytes > limits.requestBytesHeldMax {
            abandon(stream, .tooManyRequestBytes(limits.requestBytesHeldMax))
        }
        allowMore(on: stream)
        if stream.decoder.isInsideMessage { expectProgress() }
    }

    private func status(of failure: GRPCMessageDecoder.Failure) -> RPCStatus {
        switch failure {
        case .tooLarge(let count):
            RPCStatus(
                .resourceExhausted,
                "the message has \(count) bytes, at most \(limits.frameBytesMax) are accepted"
            )
        case .unknownFlag(let flag):
            RPCStatus(.internal, "a message's first byte must be 0 or 1, and is \(flag)")
        }
    }

    /// Ends the stream, with its call if that runs.
    func abandon(_ stream: GRPCServerStream, _ status: RPCStatus) {
        if let call = stream.call { call.abandon(status) } else { fail(stream, status) }
    }

    func http2InputEnded(_ streamID: Int32) {
        guard let stream = streams[streamID], !stream.inputHasEnded else { return }
        stream.inputHasEnded = true
        let lent = self.lent
        self.lent = nil
        guard !stream.isFinished else { return }
        if stream.decoder.isInsideMessage {
            abandon(stream, RPCStatus(.internal, "the request ends within a message"))
        } else if let call = stream.call {
            call.messages?.endRequests()
        } else if let lent, lent.stream === stream {
            run(stream, lent.message)
        } else if let message = stream.message {
            stream.message = nil
            count(stream)
            message.withUnsafeBytes { run(stream, $0) }
        } else {
            fail(stream, .notOneMessage)
        }
    }

    func http2StreamClosed(_ streamID: Int32) {
        guard let stream = streams.removeValue(forKey: streamID) else { return }
        heldBytes -= stream.countedBytes
        if stream.outputIsCounted { streamsWithOutput -= 1 }
        stream.call?.abandon(.streamIsClosed)
        becameIdleIfSo()
    }

    func http2Drained() {
        isDrained = true
        becameIdleIfSo()
    }

    func http2Ended() {
        isDrained = true
        abandonAll()
        becameIdleIfSo()
    }
}

extension RPCStatus {
    fileprivate static let noPath = RPCStatus(.unimplemented, "the request names no method")
    fileprivate static let connectionIsClosed = RPCStatus(.cancelled, "the connection is closed")
    fileprivate static let streamIsClosed = RPCStatus(.cancelled, "the call was cancelled")
}
