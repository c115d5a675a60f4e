internal import CallStatus
internal import DequeModule
internal import ProtoCodec

/// The server's side of gRPC over HTTP/2 (gRPC, PROTOCOL-HTTP2.md): performs what
/// ``GRPCConnection`` and the ``GRPCStream``s decide, with HTTP/2 and the router's methods.
///
/// It is used on its channel's loop only.
final class GRPCServerSession: ServerSession, @unchecked Sendable {
    // Unchecked: guarded by the queue of the channel's loop, as above.

    typealias Stream = GRPCStream<ServerCall>

    let channel: Channel
    var limits: RPCLimits { channel.loop.limits }
    private let peer: PeerCredentials
    let router: Router
    /// The instruments for gRPC; nil if no metrics system is installed.
    private let instruments: CallInstruments?
    private(set) lazy var http2 = HTTP2Session(channel: channel, delegate: self)
    private var connection: GRPCConnection
    private(set) var streams: [Int32: Stream] = [:]
    /// The stream whose header arrives; nil if none does.
    private var beginning: Stream?
    /// The memory of the requests that wait for their handlers, in bytes.
    private var heldBytes = 0
    /// The memory of the messages that are sent in parts, in bytes.
    var packedBytes = 0
    /// The streams whose messages wait until others have been sent, in order.
    var streamsWaitingForMemory: Deque<Int32> = []
    /// The streams whose replies came while nothing could be sent.
    private var streamsWithNewReplies: [Int32] = []

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
        connection = GRPCConnection(limits: channel.loop.limits, refusal: refusal)
    }

    var hasBegun: Bool { connection.hasBegun }

    var isIdle: Bool { connection.isIdle(hasStreams: !streams.isEmpty) }

    // MARK: - The connection

    func receive(_ bytes: UnsafeRawBufferPointer) {
        http2.receive(bytes)
        perform(connection.received(isInsideFrame: http2.isInsideFrame, now: .now))
        sendWaiting()
        for streamID in streamsWithNewReplies {
            if let stream = streams[streamID] { countUnsentReply(of: stream) }
        }
        streamsWithNewReplies.removeAll(keepingCapacity: true)
        scheduleWakeup()
    }

    private func perform(_ action: GRPCConnection.Action?) {
        switch action {
        case nil: break
        case .announceDrain:
            http2.announceDrain()
            scheduleWakeup()
        case .finishDrain:
            http2.finishDrain()
            closeOrReportIfIdle()
        case .terminate(let code): http2.terminate(code)
        case .close: channel.close()
        case .checkProgress: checkProgress()
        }
    }

    func sendWaiting() { http2.send() }

    func inputEnded() {
        connection.inputEnded()
        // A request that has not arrived wholly by now never will.
        for stream in Array(streams.values) where !stream.inputHasEnded {
            reset(stream, .cancel)
        }
        sendWaiting()
        closeOrReportIfIdle()
    }

    func drain() {
        perform(connection.drain(now: .now))
        // Streaming calls may never end by themselves.
        for stream in Array(streams.values) where stream.call?.messages != nil {
            stream.call?.abandon(.serverIsStopping)
        }
        closeOrReportIfIdle()
    }

    func closed() {
        connection.closed()
        http2.closed()
        abandonAll()
    }

    private func abandonAll() {
        let calls = streams.values.compactMap(\.call)
        for stream in streams.values { release(stream) }
        streams = [:]
        beginning = nil
        streamsWaitingForMemory = []
        for call in calls { call.abandon(.connectionIsClosed) }
    }

    private func closeOrReportIfIdle() {
        guard !connection.isClosed, isIdle else { return }
        if connection.inputHasEnded { channel.closeAfterFlush() }
        onIdle?()
    }

    // MARK: - Time

    func woke() {
        let now = ContinuousClock.now
        while let action = connection.overdue(now: now, mayRead: channel.mayRead) {
            perform(action)
        }
        for stream in Array(streams.values) {
            guard let deadline = stream.deadline, deadline <= now else { continue }
            stream.deadline = nil
            fail(stream, CallError(.deadlineExceeded, "the deadline passed"))
        }
        sendWaiting()
        let deadlines = streams.values.compactMap(\.deadline)
        if let next = deadlines.min() { channel.wake(at: next) }
        scheduleWakeup()
    }

    private func scheduleWakeup() {
        if let next = connection.nextDeadline { channel.wake(at: next) }
    }

    /// Schedules a check, since a stream waits for its client to take output or to complete a
    /// message.
    private func expectProgress() {
        if let check = connection.expectProgress(now: .now) { channel.wake(at: check) }
    }

    /// Resets the streams that have made too little progress since the last check, or ends the
    /// connection if none has made enough.
    private func checkProgress() {
        var stalled: [Stream] = []
        for stream in streams.values {
            let isStalled = stream.checkProgress(
                mayRead: channel.mayRead,
                bytesMin: limits.progressBytesMin
            )
            if isStalled != nil { expectProgress() }
            if isStalled == true { stalled.append(stream) }
        }
        if !stalled.isEmpty, stalled.count == streams.count { return http2.terminate(.none) }
        for stream in stalled { reset(stream, .cancel) }
    }

    // MARK: - Calls

    /// Sends nothing and returns false: within the callbacks of HTTP/2 nothing can be sent, and
    /// elsewhere keeping the reply costs little.
    func finish(_ call: ServerCall, with reply: (ProtoArena) throws -> ProtoMessage) -> Bool {
        false
    }

    func keep(_ call: ServerCall, _ reply: @escaping MessageBuilder) {
        end(call) { $0.reply(reply) }
    }

    func finishStream(_ call: ServerCall) { end(call) { $0.end() } }

    func finish(_ call: ServerCall, failing status: CallError) {
        call.recordOutcome(status.code)
        end(call) { $0.fail(status) }
    }

    private func end(_ call: ServerCall, _ answer: (Stream) -> Output) {
        if !call.isHandlerRunning { connection.handlerEnded() }
        guard let stream = streams[Int32(bitPattern: call.streamID)] else { return }
        perform(answer(stream), on: stream)
        updateHeldBytes(of: stream)
        if http2.isInsideLibrary { return streamsWithNewReplies.append(stream.id) }
        sendWaiting()
        countUnsentReply(of: stream)
    }

    func handlerEnded(_ call: ServerCall) { connection.handlerEnded() }

    func responseWaits(_ call: ServerCall) {
        guard let stream = streams[Int32(bitPattern: call.streamID)],
            let response = call.messages?.response
        else { return }
        perform(stream.offer(response), on: stream)
        sendWaiting()
    }

    func requestTaken(_ call: ServerCall) {
        guard let stream = streams[Int32(bitPattern: call.streamID)] else { return }
        updateHeldBytes(of: stream)
        replenishWindow(on: stream)
        sendWaiting()
    }

    // MARK: - Streams

    typealias Output = Stream.Output

    private func perform(_ output: Output, on stream: Stream) {
        switch output {
        case .nothing: break
        case .submitHeader:
            http2.submitWithBody(GRPCResponse.headers, to: stream.id)
            expectProgress()
        case .resumeBody:
            http2.resume(stream.id)
            expectProgress()
        case .submitTrailersOnly(let status):
            let arena = channel.loop.arena
            http2.submit(
                GRPCResponse.trailersOnly(status, bytesMax: limits.statusBytesMax, arena),
                to: stream.id
            )
        case .submitTrailers(let status): submitTrailers(status, of: stream)
        }
    }

    /// Fails the call of a stream, even if it has not begun.
    private func fail(_ stream: Stream, _ status: CallError) {
        if let call = stream.call { return call.abandon(status) }
        instruments?.refused(status.code)
        perform(stream.fail(status), on: stream)
        updateHeldBytes(of: stream)
    }

    /// Ends a stream without a status.
    private func reset(_ stream: Stream, _ code: HTTP2Session.ErrorCode) {
        stream.finish()
        updateHeldBytes(of: stream)
        releaseReply(of: stream)
        http2.reset(stream.id, code)
    }

    private func start(_ stream: Stream) {
        switch connection.admit(stream.head) {
        case .refuse(let status): fail(stream, status)
        case .reset: reset(stream, .refusedStream)
        case .fault(let fault):
            stream.finish()
            http2.submit(GRPCResponse.headers(for: fault), to: stream.id)
        case .serve(let method):
            if let timeout = stream.head.timeout {
                let deadline = ContinuousClock.now + min(timeout, limits.callTimeoutMax)
                stream.deadline = deadline
                channel.wake(at: deadline)
            }
            stream.began(isStreaming: method.isStreaming)
            guard case .streaming(let start) = method.handler else { return }
            let call = makeCall(method, stream, messages: CallMessages())
            start(call)
        }
    }

    /// Runs the handler of a unary call.
    private func run(_ stream: Stream, _ message: UnsafeRawBufferPointer) {
        guard let method = stream.head.method, case .unary(let start) = method.handler else {
            return
        }
        let arena = channel.loop.arena
        arena.reset()
        let requestBytes = message.count + stream.head.metadataBytes
        do {
            try channel.memory.take(requestBytes)
        } catch {
            return fail(stream, error)
        }
        let call = makeCall(method, stream, requestBytes: requestBytes)
        do {
            try start(message, arena, call)
        } catch {
            connection.handlerEnded()
            call.releaseRequest()
            let status = router.status(of: error)
            call.recordOutcome(status.code)
            stream.call = nil
            perform(stream.fail(status), on: stream)
        }
    }

    private func makeCall(
        _ method: Router.Method,
        _ stream: Stream,
        requestBytes: Int = 0,
        messages: CallMessages? = nil
    ) -> ServerCall {
        let call = ServerCall(
            streamID: UInt32(bitPattern: stream.id),
            peer: peer,
            deadline: stream.deadline,
            metadata: stream.head.metadata,
            messages: messages,
            requestBytes: requestBytes,
            mayRefuseReply: !method.hasSideEffects,
            loop: channel.loop,
            session: self,
            record: instruments?.begin(method)
        )
        stream.call = call
        call.markInFlight()
        connection.handlerBegan()
        return call
    }

    // MARK: - Memory

    /// Updates the sum of memory after a change of a stream's requests.
    private func updateHeldBytes(of stream: Stream) {
        let bytes = stream.heldBytes + (stream.call?.messages?.heldBytes ?? 0)
        let change = bytes - stream.countedBytes
        heldBytes += change
        channel.memory.change(by: change)
        stream.countedBytes = bytes
    }

    /// Gives back the memory of a stream that has ended.
    private func release(_ stream: Stream) {
        heldBytes -= stream.countedBytes
        channel.memory.give(stream.countedBytes)
        stream.countedBytes = 0
        releaseReply(of: stream)
    }

    /// Lets the client send more data on a stream, once the handler has taken all messages that
    /// arrived.
    private func replenishWindow(on stream: Stream) {
        guard !stream.inputHasEnded, stream.unconsumedBytes > 0,
            stream.call?.messages?.hasWaitingRequest != true
        else { return }
        http2.consumeStream(stream.id, stream.unconsumedBytes)
        stream.unconsumedBytes = 0
    }
}

// MARK: - HTTP/2

extension GRPCServerSession: HTTP2SessionDelegate {
    func http2SettingsArrived() { connection.settingsArrived(now: .now) }

    func http2SettingsAcknowledged() { connection.settingsAcknowledged() }

    func http2PingAcknowledged() { perform(connection.pingAcknowledged()) }

    func http2Began(_ streamID: Int32) {
        let stream = Stream(id: streamID, messageBytesMax: limits.frameBytesMax)
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
        updateHeldBytes(of: stream)
    }

    func http2Received(_ streamID: Int32, _ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        // The window of the connection does not depend on one stream, so that the others can go on.
        http2.consumeConnection(bytes.count)
        guard let stream = streams[streamID], stream.takesInput else { return }
        stream.received(bytes.count)
        take(bytes, isLast: isLast, on: stream)
        updateHeldBytes(of: stream)
        if heldBytes > limits.requestBytesHeldMax, stream.countedBytes > 0 {
            return fail(stream, .tooManyRequestBytes(limits.requestBytesHeldMax))
        }
        if channel.memory.isOver, stream.countedBytes > 0 {
            return fail(stream, .peersHaveTooMuch)
        }
        replenishWindow(on: stream)
        if stream.isInsideMessage { expectProgress() }
    }

    func http2InputEnded(_ streamID: Int32) {
        guard let stream = streams[streamID] else { return }
        take(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true, on: stream)
        updateHeldBytes(of: stream)
    }

    private func take(_ bytes: UnsafeRawBufferPointer, isLast: Bool, on stream: Stream) {
        var rest = bytes
        while let input = stream.next(&rest, isLast: isLast) {
            switch input {
            case .run(let message):
                // The message counts as the call's request from now on.
                updateHeldBytes(of: stream)
                message.withBytes { run(stream, $0) }
            case .deliver(let message): stream.call?.messages?.add(message)
            case .endRequests: stream.call?.messages?.endRequests()
            case .fail(let status): fail(stream, status)
            }
        }
    }

    func http2StreamClosed(_ streamID: Int32) {
        guard let stream = streams.removeValue(forKey: streamID) else { return }
        release(stream)
        resumeNext()
        stream.call?.abandon(.streamIsClosed)
        closeOrReportIfIdle()
    }

    func http2Ended() {
        connection.ended()
        abandonAll()
        closeOrReportIfIdle()
    }
}

extension CallError {
    fileprivate static let connectionIsClosed = CallError(.cancelled, "the connection is closed")
    fileprivate static let streamIsClosed = CallError(.cancelled, "the call was cancelled")
}
