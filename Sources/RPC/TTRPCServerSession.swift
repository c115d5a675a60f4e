internal import ProtoCodec

/// The server's side of a ttrpc connection (ttrpc, PROTOCOL.md): frames in, calls started, replies
/// out in any order.
///
/// Used on its channel's loop only.
final class TTRPCServerSession: ServerSession, @unchecked Sendable {
    // Unchecked: see above.

    let channel: Channel
    private let peer: PeerCredentials
    private let router: Router
    let limits: RPCLimits
    /// Why no call of this connection is served; nil if they are.
    private let refusal: RPCStatus?
    /// Nil if nobody collects what is recorded.
    private let instruments: CallInstruments?
    private var decoder: TTRPCFrameDecoder
    private(set) var calls: [UInt32: ServerCall] = [:]
    /// How many of the calls stream.
    private var streamingCalls = 0
    /// How many handlers run whose calls were abandoned.
    private var abandonedHandlers = 0
    /// The memory of requests that wait.
    private(set) var heldBytes = 0
    /// Bytes that arrived while as many calls as allowed were being worked on.
    private var held: [UInt8] = []
    private var isHolding = false
    private var isDraining = false
    private var inputHasEnded = false
    private(set) var isClosed = false
    /// Responses that found no room in the output, in order.
    private var waiting: [WaitingResponse] = []
    /// When the last part of an unfinished frame arrived.
    private var partialSince: ContinuousClock.Instant?

    private enum WaitingResponse {
        /// The only one of a unary call, which has ended.
        case unary(ServerCall, MessageBuilder)
        /// One of a streaming call, in whose messages it is.
        case streaming(ServerCall)
    }

    /// Called when no call is left, as often as that happens.
    var onIdle: (() -> Void)?
    /// Whether a frame has arrived.
    private(set) var hasBegun = false

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
        decoder = TTRPCFrameDecoder(frameBytesMax: limits.frameBytesMax)
    }

    var isIdle: Bool { calls.isEmpty && waiting.isEmpty }

    /// Counts the calls that are worked on, even if nobody waits for them any more, and those whose
    /// replies wait.
    private var callsInFlight: Int { calls.count + waiting.count + abandonedHandlers }

    private var isAtCallLimit: Bool { callsInFlight >= limits.callsInFlightPerConnectionMax }

    /// Whether no frame is handled before a call has ended.
    ///
    /// If all calls stream, they may wait for frames themselves.
    private var mustHold: Bool { isAtCallLimit && callsInFlight > streamingCalls }

    // MARK: - Input

    func receive(_ bytes: UnsafeRawBufferPointer) {
        do {
            let used = try decoder.decode(bytes) { event in
                hasBegun = true
                handle(event)
                return !mustHold && !isClosed
            }
            if used < bytes.count { hold(bytes[used...]) }
            notePartialFrame()
        } catch {
            channel.close()
        }
    }

    /// A frame that was begun must go on, or its memory would be held for nothing.
    private func notePartialFrame() {
        guard decoder.isInsideFrame, hasBegun else {
            partialSince = nil
            return
        }
        let now = ContinuousClock.now
        partialSince = now
        channel.wake(at: now + limits.handshakeTimeout)
    }

    /// Keeps the rest until calls have finished, and reads no more before that.
    private func hold(_ rest: Slice<UnsafeRawBufferPointer>) {
        held = Array(rest)
        isHolding = true
        channel.holdReading()
    }

    private func releaseHeld() {
        guard isHolding, !isClosed, !mustHold else { return }
        let bytes = held
        held = []
        isHolding = false
        bytes.withUnsafeBytes { receive($0) }
        if !isHolding { channel.continueReading() }
    }

    private func handle(_ event: TTRPCFrameDecoder.Event) {
        if let refusal {
            switch event {
            case .oversized(let header), .frame(let header, _): send(refusal, to: header.streamID)
            }
            channel.closeAfterFlush()
            return
        }
        switch event {
        case .oversized(let header):
            let status = RPCStatus(
                .resourceExhausted,
                "the message has \(header.dataLength) bytes, at most \(limits.frameBytesMax) "
                    + "are accepted"
            )
            if header.kind == TTRPCFrameHeader.Kind.request { send(status, to: header.streamID) }
        case .frame(let header, let data):
            switch header.kind {
            case TTRPCFrameHeader.Kind.request: handleRequest(header, data)
            case TTRPCFrameHeader.Kind.data: handleData(header, data)
            // Unknown kinds are for later versions of the protocol.
            default: break
            }
        }
    }

    private func handleRequest(_ header: TTRPCFrameHeader, _ data: UnsafeRawBufferPointer) {
        let streamID = header.streamID
        do {
            if streamID.isMultiple(of: 2) {
                throw RPCStatus(.invalidArgument, "stream ids of a client must be odd")
            }
            if calls[streamID] != nil {
                throw RPCStatus(.invalidArgument, "the stream id is in use by a running call")
            }
            if isDraining { throw RPCStatus.serverIsStopping }
            if isAtCallLimit {
                throw RPCStatus(
                    .resourceExhausted,
                    "\(callsInFlight) calls run, which is as many as a connection may have"
                )
            }
            try startCall(streamID, flags: header.flags, data)
        } catch {
            let status = router.status(of: error)
            instruments?.refused(status.code)
            send(status, to: streamID)
        }
    }

    private func startCall(
        _ streamID: UInt32,
        flags: UInt8,
        _ data: UnsafeRawBufferPointer
    ) throws {
        let request: TTRPCEnvelope.Request
        do throws(ProtoError) {
            request = try TTRPCEnvelope.decodeRequest(
                data,
                metadataBytesMax: limits.metadataBytesMax
            )
        } catch {
            throw error.kind == .tooLarge
                ? RPCStatus(
                    .resourceExhausted,
                    "the metadata has more than \(limits.metadataBytesMax) bytes"
                )
                : RPCStatus(.invalidArgument, "the data is not a ttrpc request")
        }
        let method = try router.method(request.service, request.method)
        let timeout = request.timeoutNanoseconds
        // Go's client sends what is left of a deadline that has just passed.
        if timeout < 0 { throw RPCStatus(.deadlineExceeded, "the deadline passed") }
        let call = ServerCall(
            streamID: streamID,
            peer: peer,
            deadline: timeout > 0 ? deadline(timeout) : nil,
            metadata: request.metadata,
            messages: method.isStreaming ? try firstMessages(request, flags) : nil,
            loop: channel.loop,
            session: self,
            record: instruments?.begin(method)
        )
        switch method.handler {
        case .unary(let start):
            let arena = channel.loop.arena
            arena.reset()
            do {
                try start(request.payload, arena, call)
            } catch {
                let status = router.status(of: error)
                call.ended(status.code)
                return send(status, to: streamID)
            }
        case .streaming(let start): start(call)
        }
        if !call.isAnswered {
            calls[streamID] = call
            call.waits()
            if call.messages != nil {
                streamingCalls += 1
                count(call)
            }
            if let deadline = call.deadline { channel.wake(at: deadline) }
        }
    }

    private func deadline(_ timeoutNanoseconds: Int64) -> ContinuousClock.Instant {
        .now + min(.nanoseconds(timeoutNanoseconds), limits.callTimeoutMax)
    }

    private func handleData(_ header: TTRPCFrameHeader, _ data: UnsafeRawBufferPointer) {
        guard let call = calls[header.streamID] else {
            send(
                RPCStatus(.invalidArgument, "there is no running call on the stream"),
                to: header.streamID
            )
            return
        }
        if let messages = call.messages { return add(header, data, to: messages, of: call) }
        // A client may say with an empty frame that it sends no more.
        let ending = TTRPCFrameHeader.Flags.noData | TTRPCFrameHeader.Flags.remoteClosed
        if header.flags & ending == ending, header.dataLength == 0 { return }
        call.abandon(
            RPCStatus(.invalidArgument, "the method takes one message, in the request itself")
        )
    }

    /// The peer sends no more requests, but may still wait for answers.
    func inputEnded() {
        inputHasEnded = true
        // What has not arrived by now never will.
        for call in Array(calls.values) where call.messages?.requestsHaveEnded == false {
            call.abandon(
                RPCStatus(.cancelled, "the connection's input ended before the call's messages")
            )
        }
        closeIfDone()
    }

    // MARK: - Output

    /// Sends a call's reply; false if there is no room for it now.
    func finish(
        _ call: ServerCall,
        with reply: (ProtoArena) throws -> ProtoMessage
    ) -> Bool {
        // Those that wait already go first.
        guard waiting.isEmpty, send(reply, of: call) else { return false }
        forget(call)
        return true
    }

    /// Keeps the reply until there is room.
    func keep(_ call: ServerCall, _ reply: @escaping MessageBuilder) {
        waiting.append(.unary(call, reply))
        forget(call)
    }

    /// Tells the caller why the call failed.
    func finish(_ call: ServerCall, failing status: RPCStatus) {
        if call.isHandlerRunning { abandonedHandlers += 1 }
        call.ended(status.code)
        send(status, to: call.streamID)
        if call.messages != nil { dropWaiting(of: call) }
        forget(call)
    }

    /// Says that a streaming call has no more responses.
    func finishStream(_ call: ServerCall) {
        call.ended(nil)
        sendEnd(of: call)
        dropWaiting(of: call)
        forget(call)
    }

    private func dropWaiting(of ended: ServerCall) {
        waiting.removeAll { if case .streaming(let call) = $0 { call === ended } else { false } }
    }

    func handlerEnded(_ call: ServerCall) {
        abandonedHandlers -= 1
        releaseHeldSoon()
    }

    func requestTaken(_ call: ServerCall) { count(call) }

    /// Counts the memory of a streaming call's requests anew.
    func count(_ call: ServerCall) {
        guard let messages = call.messages else { return }
        heldBytes += messages.heldBytes - messages.countedBytes
        messages.countedBytes = messages.heldBytes
    }

    /// Sends the response that waits in a call's messages, or keeps it there until there is room.
    func responseWaits(_ call: ServerCall) {
        if !waiting.isEmpty || !sendResponse(of: call) { waiting.append(.streaming(call)) }
    }

    private func forget(_ call: ServerCall) {
        // A call that is answered at once was never among them.
        if !calls.isEmpty, calls.removeValue(forKey: call.streamID) != nil, call.messages != nil {
            streamingCalls -= 1
            count(call)
        }
        callsBecameFewer()
    }

    /// Sends the replies that wait, as far as there is room.
    func sendWaiting() {
        var sent = 0
        while sent < waiting.count, !isClosed, send(waiting[sent]) { sent += 1 }
        waiting.removeFirst(min(sent, waiting.count))
        callsBecameFewer()
    }

    private func send(_ response: WaitingResponse) -> Bool {
        switch response {
        case .unary(let call, let reply): send(reply, of: call)
        case .streaming(let call): sendResponse(of: call)
        }
    }

    private func callsBecameFewer() {
        guard !isClosed else { return }
        releaseHeldSoon()
        if isIdle {
            closeIfDone()
            onIdle?()
        }
    }

    private func releaseHeldSoon() {
        if isHolding { channel.loop.submit { [self] in releaseHeld() } }
    }

    /// Sends a reply, or a failure if it cannot be built; false if there is no room for it now.
    private func send(
        _ reply: (ProtoArena) throws -> ProtoMessage,
        of call: ServerCall
    ) -> Bool {
        let streamID = call.streamID
        let message: ProtoMessage
        do {
            message = try channel.loop.arena.build(reply)
        } catch {
            let status = router.status(of: error)
            call.ended(status.code)
            send(status, to: streamID)
            return true
        }
        let prefix = TTRPCEnvelope.PayloadPrefix(payloadBytes: message.packedSize)
        let dataLength = prefix.bytes + message.packedSize
        guard dataLength <= limits.frameBytesMax else {
            call.ended(RPCStatus.replyTooLarge.code)
            send(.replyTooLarge, to: streamID)
            return true
        }
        guard channel.hasRoom(for: TTRPCFrameHeader.bytes + dataLength) else { return isClosed }
        writeFrame(dataLength, streamID) { start in
            prefix.write(to: start)
            message.pack(to: start + prefix.bytes)
        }
        call.ended(nil)
        return true
    }

    private func send(_ status: RPCStatus, to streamID: UInt32) {
        guard !isClosed else { return }
        let arena = channel.loop.arena
        arena.reset()
        guard let message = try? TTRPCEnvelope.encodeFailure(status, arena) else {
            // Only an error text beyond all measure does not fit.
            channel.close()
            return
        }
        writeFrame(message.packedSize, streamID) { message.pack(to: $0) }
    }

    func writeFrame(
        _ dataLength: Int,
        _ streamID: UInt32,
        kind: UInt8 = TTRPCFrameHeader.Kind.response,
        flags: UInt8 = 0,
        _ fill: (UnsafeMutableRawPointer) -> Void
    ) {
        let header = TTRPCFrameHeader(
            dataLength: dataLength,
            streamID: streamID,
            kind: kind,
            flags: flags
        )
        channel.write(TTRPCFrameHeader.bytes + dataLength) { start in
            header.write(to: start)
            fill(start + TTRPCFrameHeader.bytes)
        }
        channel.flushIfMuch()
    }

    // MARK: - Time and the end

    /// Ends the calls whose deadline has passed, or the connection if a frame does not go on.
    func woke() {
        let now = ContinuousClock.now
        if let since = partialSince {
            let isLate = since + limits.handshakeTimeout <= now
            // While nothing is read here, the peer is not to blame.
            if isLate, channel.mayRead { return channel.close() }
            channel.wake(at: (isLate ? now : since) + limits.handshakeTimeout)
        }
        for call in Array(calls.values) {
            if let deadline = call.deadline, deadline <= now {
                call.abandon(RPCStatus(.deadlineExceeded, "the deadline passed"))
            }
        }
        if let next = calls.values.compactMap(\.deadline).min() { channel.wake(at: next) }
    }

    /// Answers further calls with UNAVAILABLE, and those that stream, which may have no end.
    func drain() {
        isDraining = true
        for call in Array(calls.values) where call.messages != nil {
            call.abandon(.serverIsStopping)
        }
    }

    private func closeIfDone() {
        if inputHasEnded, isIdle { channel.closeAfterFlush() }
    }

    /// The connection is gone: nobody waits for its calls.
    func closed() {
        isClosed = true
        held = []
        waiting = []
        for call in Array(calls.values) {
            call.abandon(RPCStatus(.cancelled, "the connection is closed"))
        }
    }
}
