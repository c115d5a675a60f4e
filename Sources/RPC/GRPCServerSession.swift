internal import DequeModule
internal import ProtoCodec

/// The server's side of gRPC over HTTP/2 (gRPC, PROTOCOL-HTTP2.md): streams in, calls started,
/// responses and statuses out.
///
/// Used on its channel's loop only.
final class GRPCServerSession: ServerSession, @unchecked Sendable {
    // Unchecked: see above.

    let channel: Channel
    let limits: RPCLimits
    let peer: PeerCredentials
    let router: Router
    /// Why no call of this connection is served; nil if they are.
    let refusal: RPCStatus?
    /// Nil if nobody collects what is recorded.
    let instruments: CallInstruments?
    var hasRefused = false
    private(set) lazy var http2 = HTTP2Session(channel: channel, limits: limits, delegate: self)
    var streams: [Int32: GRPCServerStream] = [:]
    /// The stream whose header arrives.
    var beginning: GRPCServerStream?
    /// A message that lies in the input, until its stream's input ends.
    var lent: (stream: GRPCServerStream, message: UnsafeRawBufferPointer)?
    /// How many handlers run, those of abandoned calls too.
    var runningHandlers = 0
    /// The memory of requests that wait.
    var heldBytes = 0
    /// How many streams have something to send.
    var streamsWithOutput = 0
    /// The memory of messages that are sent in parts.
    var packedBytes = 0
    /// The streams whose messages wait until others are sent.
    var streamsWaitingForMemory: Deque<Int32> = []

    var onIdle: (() -> Void)?
    private(set) var isDraining = false
    private var isDrained = false
    /// Whether the drain came before the client's preface: then nothing is served.
    private(set) var hasBegunTooLate = false
    private var inputHasEnded = false
    private var isClosed = false

    // Times at which something is overdue; nil if it is not expected.
    var settingsDeadline: ContinuousClock.Instant?
    /// Whether ``settingsDeadline`` was set, which is done once.
    var settingsAreExpected = false
    var frameDeadline: ContinuousClock.Instant?
    var drainDeadline: ContinuousClock.Instant?
    var progressCheck: ContinuousClock.Instant?

    init(
        channel: Channel,
        peer: PeerCredentials,
        router: Router,
        limits: RPCLimits,
        refusal: RPCStatus?,
        instruments: CallInstruments? = nil
    ) {
        self.channel = channel
        self.peer = peer
        self.router = router
        self.limits = limits
        self.refusal = refusal
        self.instruments = instruments
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
        if hasRefused || (hasBegunTooLate && hasBegun) { return http2.terminate(.none) }
        if isDraining { announceDrain() }
        sendWaiting()
        noteWhatIsExpected()
    }

    func inputEnded() {
        inputHasEnded = true
        // What has not arrived by now never will.
        for stream in Array(streams.values) where !stream.inputHasEnded {
            reset(stream, .cancel)
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
        hasBegunTooLate = !hasBegun
        announceDrain()
        for stream in Array(streams.values) where stream.call?.messages != nil {
            stream.call?.abandon(.serverIsStopping)
        }
        becameIdleIfSo()
    }

    private func announceDrain() {
        guard hasBegun, drainDeadline == nil, !isDrained else { return }
        drainDeadline = expect(within: limits.drainNoticeTimeout)
        http2.announceDrain()
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
        packedBytes = 0
        streamsWaitingForMemory = []
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
            dropRequest(of: stream)
            beginOutput(of: stream)
        }
    }

    func finish(_ call: ServerCall, failing status: RPCStatus) {
        call.ended(status.code)
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

    /// Ends a stream whose call has not begun with a status that is not OK.
    func refuse(_ stream: GRPCServerStream, _ status: RPCStatus) {
        instruments?.refused(status.code)
        fail(stream, status)
    }

    /// Ends the stream with a status that is not OK.
    func fail(_ stream: GRPCServerStream, _ status: RPCStatus) {
        guard !stream.isFinished, !isClosed else { return }
        dropRequest(of: stream)
        if stream.headersAreSubmitted {
            stream.ending = status
            stream.isEnding = true
            if stream.sendingBytesLeft > 0 {
                beginOutput(of: stream)
            } else {
                // Trailers need no window, but what is given as the end of the body waits for one.
                submitTrailers(of: stream)
            }
        } else {
            let arena = channel.loop.arena
            finish(
                stream,
                with: GRPCResponse.trailersOnly(status, bytesMax: limits.statusBytesMax, arena)
            )
        }
    }

    /// Ends the stream without a status.
    func reset(_ stream: GRPCServerStream, _ code: HTTP2Session.ErrorCode) {
        stream.isFinished = true
        dropRequest(of: stream)
        http2.reset(stream.id, code)
    }

    /// Answers with a header only.
    func finish(_ stream: GRPCServerStream, with headers: HTTP2Fields) {
        stream.headersAreSubmitted = true
        stream.isFinished = true
        http2.submit(headers, to: stream.id)
    }
}

// MARK: - The end of streams

extension GRPCServerSession: HTTP2SessionDelegate {
    func http2StreamClosed(_ streamID: Int32) {
        guard let stream = streams.removeValue(forKey: streamID) else { return }
        heldBytes -= stream.countedBytes
        if stream.outputIsCounted { streamsWithOutput -= 1 }
        packedBytes -= stream.packedBytes
        resumeNext()
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
    fileprivate static let connectionIsClosed = RPCStatus(.cancelled, "the connection is closed")
    fileprivate static let streamIsClosed = RPCStatus(.cancelled, "the call was cancelled")
}
