internal import CallStatus
internal import ProtoCodec

/// The server's side of a ttrpc connection: performs the actions of a ``TTRPCConnection`` on a
/// channel, with the router's methods.
///
/// It is used on its channel's loop only.
final class TTRPCServerSession: ServerSession, @unchecked Sendable {
    // Unchecked: guarded by the queue of the channel's loop, as above.

    let channel: Channel
    private let peer: PeerCredentials
    let router: Router
    var limits: RPCLimits { channel.loop.limits }
    /// The instruments for ttrpc; nil if no metrics system is installed.
    private let instruments: CallInstruments?
    var connection: TTRPCConnection<ServerCall>
    /// The responses that found no room in the output, in order.
    var waiting: [WaitingResponse] = []
    /// The memory of the requests that wait for their handlers, in bytes.
    private var heldBytes = 0
    /// The part of the frame that arrives that is in the account of memory, in bytes.
    private var countedFrameBytes = 0
    /// The time by which more of the frame that has begun must have arrived; nil between frames.
    private var frameDeadline: ContinuousClock.Instant?

    enum WaitingResponse {
        /// The reply of a unary call, whose handler has ended, and its size.
        case unary(ServerCall, MessageBuilder, bytes: Int)
        /// A response in the messages of a streaming call.
        case streaming(ServerCall)
    }

    var onIdle: (() -> Void)?

    init(
        channel: Channel,
        peer: PeerCredentials,
        router: Router,
        refusal: CallError?,
        instruments: CallInstruments? = nil
    ) {
        self.channel = channel
        self.peer = peer
        self.router = router
        self.instruments = instruments
        connection = TTRPCConnection(limits: channel.loop.limits, refusal: refusal)
    }

    var hasBegun: Bool { connection.hasBegun }

    var isIdle: Bool { connection.isIdle }

    // MARK: - Input

    func receive(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while let action = connection.next(&rest) {
            // A frame that is complete counts as a request from now on.
            if countedFrameBytes > 0 { countFrame() }
            perform(action)
        }
        countFrame()
        updateFrameDeadline()
    }

    private func perform(_ action: TTRPCConnection<ServerCall>.Action) {
        switch action {
        case .start(let header, let data): data.withBytes { start(header, $0) }
        case .deliver(let call, let data, let isLast): deliver(data, isLast: isLast, to: call)
        case .abandon(let call, let status): call.abandon(status)
        case .refuse(let streamID, let status): refuse(streamID, status)
        case .refuseConnection(let streamID, let status):
            refuse(streamID, status)
            channel.closeAfterFlush()
        case .pauseReading: channel.pauseReading()
        case .close: channel.close()
        }
    }

    /// Accounts for the part of a frame that has arrived; a frame for which there is no memory is
    /// given up.
    private func countFrame() {
        let bytes = connection.heldBytes
        let change = bytes - countedFrameBytes
        if change == 0 { return }
        do {
            if change > 0 { try channel.memory.take(change) } else { channel.memory.give(-change) }
            countedFrameBytes = bytes
        } catch {
            channel.memory.give(countedFrameBytes)
            countedFrameBytes = 0
            if let action = connection.discardFrame(error) { perform(action) }
        }
    }

    /// Sets the time by which more of an unfinished frame must arrive, since it occupies memory
    /// until then.
    private func updateFrameDeadline() {
        guard connection.isInsideFrame, !connection.isClosed else {
            frameDeadline = nil
            return
        }
        let deadline = ContinuousClock.now + limits.handshakeTimeout
        frameDeadline = deadline
        channel.wake(at: deadline)
    }

    private func refuse(_ streamID: UInt32, _ status: CallError) {
        instruments?.refused(status.code)
        send(status, to: streamID)
    }

    private func start(_ header: TTRPCFrameHeader, _ data: UnsafeRawBufferPointer) {
        do {
            let request = try decode(data)
            let method = try router.method(request.service, request.method)
            let timeout = request.timeoutNanoseconds
            // Go's client sends the rest of a deadline that has just passed, which is negative.
            if timeout < 0 { throw CallError(.deadlineExceeded, "the deadline passed") }
            let messages = method.isStreaming ? try firstMessages(request, header.flags) : nil
            try channel.memory.take(data.count)
            let call = ServerCall(
                streamID: header.streamID,
                peer: peer,
                deadline: timeout > 0 ? deadline(timeout) : nil,
                metadata: request.metadata,
                messages: messages,
                requestBytes: data.count,
                mayRefuseReply: !method.hasSideEffects,
                loop: channel.loop,
                session: self,
                record: instruments?.begin(method)
            )
            run(method, call, request.payload)
        } catch {
            refuse(header.streamID, router.status(of: error))
        }
    }

    private func decode(_ data: UnsafeRawBufferPointer) throws(CallError) -> TTRPCEnvelope.Request {
        do {
            return try TTRPCEnvelope.decodeRequest(data, metadataBytesMax: limits.metadataBytesMax)
        } catch {
            throw error.kind == .tooLarge
                ? CallError(
                    .resourceExhausted,
                    "the metadata has more than \(limits.metadataBytesMax) bytes"
                )
                : CallError(.invalidArgument, "the data is not a ttrpc request")
        }
    }

    private func deadline(_ timeoutNanoseconds: Int64) -> ContinuousClock.Instant {
        .now + min(.nanoseconds(timeoutNanoseconds), limits.callTimeoutMax)
    }

    /// Makes the messages of a streaming call, as its request frame begins them: its flags say
    /// whether data frames follow (ttrpc, PROTOCOL.md, "Streaming").
    private func firstMessages(
        _ request: TTRPCEnvelope.Request,
        _ flags: UInt8
    ) throws(CallError) -> CallMessages {
        let isOpen = flags & TTRPCFrameHeader.Flags.remoteOpen != 0
        let isClosed = flags & TTRPCFrameHeader.Flags.remoteClosed != 0
        // A client that does not know streaming sends neither flag, and would wait for a response
        // frame.
        guard isOpen || isClosed else {
            throw CallError(
                .unimplemented,
                "the method streams: the request must have the flag remote closed or remote open"
            )
        }
        let messages = CallMessages()
        // If data frames follow, the request frame may still have the first message.
        if isClosed || !request.payload.isEmpty { messages.add(Array(request.payload)) }
        if isClosed { messages.endRequests() }
        return messages
    }

    private func run(
        _ method: Router.Method,
        _ call: ServerCall,
        _ payload: UnsafeRawBufferPointer
    ) {
        switch method.handler {
        case .unary(let start):
            let arena = channel.loop.arena
            arena.reset()
            do {
                try start(payload, arena, call)
            } catch {
                let status = router.status(of: error)
                call.releaseRequest()
                call.recordOutcome(status.code)
                return send(status, to: call.streamID)
            }
        case .streaming(let start): start(call)
        }
        guard !call.isAnswered else { return }
        call.markInFlight()
        if let messages = call.messages {
            connection.began(
                call,
                on: call.streamID,
                as: messages.requestsHaveEnded ? .halfClosed : .streaming
            )
            updateHeldBytes(of: call)
        } else {
            connection.began(call, on: call.streamID, as: .unary)
        }
        if let deadline = call.deadline { channel.wake(at: deadline) }
    }

    /// Gives a data frame to the handler of a streaming call.
    private func deliver(_ data: MessageBytes?, isLast: Bool, to call: ServerCall) {
        guard let messages = call.messages else { return }
        if let data { messages.add(data.copy) }
        if isLast {
            messages.endRequests()
            connection.requestsEnded(on: call.streamID)
        }
        // ttrpc has no flow control for one stream, so a call whose requests are not taken must
        // fail.
        updateHeldBytes(of: call)
        if heldBytes > limits.requestBytesHeldMax {
            call.abandon(.tooManyRequestBytes(limits.requestBytesHeldMax))
        } else if channel.memory.isOver {
            call.abandon(.peersHaveTooMuch)
        }
    }

    func inputEnded() {
        for call in connection.inputEnded() {
            call.abandon(
                CallError(.cancelled, "the connection's input ended before the call's messages")
            )
        }
        closeIfDone()
    }

    // MARK: - Calls

    func finish(
        _ call: ServerCall,
        with reply: (ProtoArena) throws -> ProtoMessage
    ) -> Bool {
        // Responses that wait already go first.
        guard waiting.isEmpty, send(reply, of: call) else { return false }
        forget(call)
        return true
    }

    func keep(_ call: ServerCall, _ reply: @escaping MessageBuilder) {
        do {
            let bytes = try channel.memory.take(reply, of: call, in: channel.loop.arena)
            waiting.append(.unary(call, reply, bytes: bytes))
            connection.replyWaits(call, on: call.streamID)
        } catch {
            finish(call, failing: router.status(of: error))
        }
    }

    func finish(_ call: ServerCall, failing status: CallError) {
        call.recordOutcome(status.code)
        send(status, to: call.streamID)
        if call.messages != nil { dropWaiting(of: call) }
        forget(call)
    }

    func finishStream(_ call: ServerCall) {
        call.recordOutcome(nil)
        sendEnd(of: call)
        dropWaiting(of: call)
        forget(call)
    }

    private func dropWaiting(of ended: ServerCall) {
        waiting.removeAll {
            switch $0 {
            case .unary: false
            case .streaming(let call): call === ended
            }
        }
    }

    func responseWaits(_ call: ServerCall) {
        if !waiting.isEmpty || !sendResponse(of: call) { waiting.append(.streaming(call)) }
    }

    func requestTaken(_ call: ServerCall) { updateHeldBytes(of: call) }

    /// Updates the sum of memory after a change of a streaming call's requests.
    private func updateHeldBytes(of call: ServerCall) {
        guard let messages = call.messages else { return }
        let change = messages.heldBytes - messages.countedBytes
        heldBytes += change
        channel.memory.change(by: change)
        messages.countedBytes = messages.heldBytes
    }

    private func forget(_ call: ServerCall) {
        updateHeldBytes(of: call)
        connection.ended(on: call.streamID, handlerRuns: call.isHandlerRunning)
        callEnded()
    }

    func handlerEnded(_ call: ServerCall) {
        connection.abandonedHandlerEnded()
        resumeReadingSoon()
    }

    /// Resumes what waited for a call to end.
    private func callEnded() {
        guard !connection.isClosed else { return }
        resumeReadingSoon()
        if isIdle {
            closeIfDone()
            onIdle?()
        }
    }

    /// Handles the bytes that were kept, and resumes reading, after the present work of the loop.
    private func resumeReadingSoon() {
        guard connection.isPaused else { return }
        channel.loop.submit { [self] in
            guard let bytes = connection.resumed() else { return }
            bytes.withUnsafeBytes { receive($0) }
            if !connection.isPaused { channel.resumeReading() }
        }
    }

    func sendWaiting() {
        var sent = 0
        while sent < waiting.count, !connection.isClosed, send(waiting[sent]) { sent += 1 }
        let ended = waiting.prefix(sent)
        waiting.removeFirst(ended.count)
        for response in ended {
            if case .unary(let call, _, let bytes) = response {
                channel.memory.give(bytes)
                forget(call)
            }
        }
    }

    // MARK: - Time and the end

    func woke() {
        let now = ContinuousClock.now
        if let deadline = frameDeadline {
            // While nothing is read, the missing bytes are not the peer's fault.
            if deadline <= now, channel.mayRead { return channel.close() }
            let next = deadline <= now ? now + limits.handshakeTimeout : deadline
            frameDeadline = next
            channel.wake(at: next)
        }
        let calls = connection.runningCalls
        for call in calls {
            if let deadline = call.deadline, deadline <= now {
                call.abandon(CallError(.deadlineExceeded, "the deadline passed"))
            }
        }
        let next = calls.compactMap { $0.isAnswered ? nil : $0.deadline }.min()
        if let next { channel.wake(at: next) }
    }

    func drain() {
        for call in connection.drain() { call.abandon(.serverIsStopping) }
    }

    private func closeIfDone() {
        if connection.isDone { channel.closeAfterFlush() }
    }

    func closed() {
        for case .unary(_, _, let bytes) in waiting { channel.memory.give(bytes) }
        waiting = []
        for call in connection.closed() {
            call.abandon(CallError(.cancelled, "the connection is closed"))
        }
        countFrame()
    }
}

extension CallError {
    static func tooManyRequestBytes(_ bytesMax: Int) -> CallError {
        CallError(
            .resourceExhausted,
            "the requests that wait have more than the connection's \(bytesMax) bytes"
        )
    }
}
