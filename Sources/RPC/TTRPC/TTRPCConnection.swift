internal import CallStatus

/// The state of a ttrpc connection at its server (ttrpc, PROTOCOL.md): takes bytes and returns
/// actions.
///
/// It does no I/O: the session performs the actions, and reports the calls that begin and end.
/// `Call` is the session's type of a call.
struct TTRPCConnection<Call> {
    enum Action {
        /// Start the call that the frame's data describes, and report it with ``began(_:on:as:)``
        /// unless it is answered at once.
        case start(TTRPCFrameHeader, MessageBytes)
        /// Give a streaming call its next request, if there is one; `isLast` is true if no other
        /// follows.
        case deliver(Call, MessageBytes?, isLast: Bool)
        /// End a running call, whose client broke the protocol.
        indirect case abandon(Call, CallError)
        /// Answer on a stream without a call.
        indirect case refuse(UInt32, CallError)
        /// Answer on a stream without a call, then close the connection.
        indirect case refuseConnection(UInt32, CallError)
        /// Stop reading until ``resumed()`` returns the bytes that are kept.
        case pauseReading
        /// Close the connection, whose bytes cannot be understood.
        case close
    }

    /// The stage of a call that has begun.
    enum Stage {
        case unary
        /// A streaming call whose client may send more requests.
        case streaming
        /// A streaming call whose client has sent its last request.
        case halfClosed
        /// A unary call whose reply waits for room in the output.
        case replying

        fileprivate var isStreaming: Bool {
            switch self {
            case .streaming, .halfClosed: true
            case .unary, .replying: false
            }
        }
    }

    private enum Phase {
        /// No frame has arrived.
        case fresh
        case open
        /// As many calls run as are allowed; the bytes wait until one has ended.
        case paused([UInt8])
        /// The peer sends no more, but may still wait for answers.
        case inputEnded
        case closed
    }

    /// The decision about new calls.
    private enum Admission {
        case open
        /// The server stops, and no call begins any more.
        case draining
        /// The connection is not served, for the reason in the status.
        case refusing(CallError)
    }

    private let callsInFlightMax: Int
    private let frameBytesMax: Int
    private var decoder: TTRPCFrameDecoder
    private var phase = Phase.fresh
    private var admission: Admission
    private var calls: [UInt32: (call: Call, stage: Stage)] = [:]
    /// The number of calls in a streaming stage.
    private var streamingCount = 0
    /// The number of handlers that still run although their calls were abandoned.
    private var abandonedHandlers = 0

    /// Makes the state of a connection on which nothing has arrived.
    ///
    /// - Parameters:
    ///   - limits: the limits of the connection.
    ///   - refusal: the answer to the first call of a connection that is not served; nil if it is
    ///     served.
    init(limits: RPCLimits, refusal: CallError?) {
        callsInFlightMax = limits.callsInFlightPerConnectionMax
        frameBytesMax = limits.frameBytesMax
        decoder = TTRPCFrameDecoder(frameBytesMax: limits.frameBytesMax)
        admission = refusal.map { .refusing($0) } ?? .open
    }

    // MARK: - State

    /// True once a whole frame of ttrpc has arrived, or its header if it is too large.
    var hasBegun: Bool {
        switch phase {
        case .fresh: false
        case .open, .paused, .inputEnded, .closed: true
        }
    }

    var isClosed: Bool {
        switch phase {
        case .closed: true
        case .fresh, .open, .paused, .inputEnded: false
        }
    }

    /// True while bytes are kept until a call has ended.
    var isPaused: Bool {
        switch phase {
        case .paused: true
        case .fresh, .open, .inputEnded, .closed: false
        }
    }

    /// True if a frame has begun that has not arrived wholly.
    ///
    /// The connection's first frame does not count, as its beginning may be of another protocol.
    var isInsideFrame: Bool { hasBegun && decoder.isInsideFrame }

    /// The memory of the frame that has begun, in bytes.
    var heldBytes: Int { decoder.heldBytes }

    /// True if no call is left.
    var isIdle: Bool { calls.isEmpty }

    /// True once the peer sends no more and has all its answers.
    var isDone: Bool {
        switch phase {
        case .inputEnded: isIdle
        case .fresh, .open, .paused, .closed: false
        }
    }

    /// The calls whose callers wait, except for those whose reply only waits for room in the
    /// output.
    var runningCalls: [Call] {
        calls.values.compactMap { call, stage in
            switch stage {
            case .unary, .streaming, .halfClosed: call
            case .replying: nil
            }
        }
    }

    /// The number of calls whose handlers run, even if nobody waits for them any more, and of those
    /// whose replies wait.
    private var callsInFlight: Int { calls.count + abandonedHandlers }

    private var isAtCallLimit: Bool { callsInFlight >= callsInFlightMax }

    /// True if no frame may be handled until a call has ended.
    ///
    /// This does not apply if all calls stream, as their handlers may be waiting for frames
    /// themselves.
    private var mustPause: Bool { isAtCallLimit && callsInFlight > streamingCount }

    // MARK: - Input

    /// Takes bytes off the front until there is an action.
    ///
    /// The caller must perform each action before the next call.
    ///
    /// - Returns: nil once all bytes are taken.
    mutating func next(_ bytes: inout UnsafeRawBufferPointer) -> Action? {
        while !bytes.isEmpty {
            switch phase {
            case .inputEnded, .closed, .paused: return nil
            case .fresh, .open: break
            }
            if mustPause {
                phase = .paused(Array(bytes.take(bytes.count)))
                return .pauseReading
            }
            do throws(TTRPCFrameDecoder.FramingError) {
                guard let event = try decoder.next(&bytes) else { return nil }
                phase = .open
                if let action = action(on: event) { return action }
            } catch {
                phase = .closed
                return .close
            }
        }
        return nil
    }

    /// Returns the bytes that were kept, which must be handled now; nil if there are none or if
    /// they must wait on.
    mutating func resumed() -> [UInt8]? {
        switch phase {
        case .paused(let bytes) where !mustPause:
            phase = .open
            return bytes
        case .paused, .fresh, .open, .inputEnded, .closed: return nil
        }
    }

    /// Gives up the frame that has begun, for which there is no memory.
    mutating func discardFrame(_ status: CallError) -> Action? {
        guard let header = decoder.discardFrame() else { return nil }
        if case .fresh = phase { phase = .open }
        if case .refusing(let reason) = admission {
            return .refuseConnection(header.streamID, reason)
        }
        switch header.kind {
        case TTRPCFrameHeader.Kind.request: return .refuse(header.streamID, status)
        case TTRPCFrameHeader.Kind.data:
            guard let (call, stage) = calls[header.streamID], stage == .streaming else {
                return nil
            }
            return .abandon(call, status)
        default: return nil
        }
    }

    private func action(on event: TTRPCFrameDecoder.Event) -> Action? {
        switch admission {
        case .refusing(let status): return .refuseConnection(event.header.streamID, status)
        case .open, .draining: break
        }
        switch event {
        case .oversized(let header):
            guard header.kind == TTRPCFrameHeader.Kind.request else { return nil }
            return .refuse(
                header.streamID,
                CallError(
                    .resourceExhausted,
                    "the message has \(header.dataLength) bytes, at most \(frameBytesMax) "
                        + "are accepted"
                )
            )
        case .frame(let header, let data):
            switch header.kind {
            case TTRPCFrameHeader.Kind.request:
                if let fault = fault(of: header) { return .refuse(header.streamID, fault) }
                return .start(header, data)
            case TTRPCFrameHeader.Kind.data: return action(on: header, data)
            // Unknown kinds belong to later versions of the protocol.
            default: return nil
            }
        }
    }

    /// Returns the reason why a request cannot begin a call now; nil if it can.
    private func fault(of request: TTRPCFrameHeader) -> CallError? {
        if request.streamID.isMultiple(of: 2) {
            return CallError(.invalidArgument, "stream ids of a client must be odd")
        }
        if calls[request.streamID] != nil {
            return CallError(.invalidArgument, "the stream id is in use by a running call")
        }
        switch admission {
        case .draining: return .serverIsStopping
        case .refusing(let status): return status
        case .open: break
        }
        guard isAtCallLimit else { return nil }
        return CallError(
            .resourceExhausted,
            "\(callsInFlight) calls run, which is as many as a connection may have"
        )
    }

    private func action(on header: TTRPCFrameHeader, _ data: MessageBytes) -> Action? {
        guard let (call, stage) = calls[header.streamID] else {
            return .refuse(
                header.streamID,
                CallError(.invalidArgument, "there is no running call on the stream")
            )
        }
        let hasData = header.flags & TTRPCFrameHeader.Flags.noData == 0
        let isLast = header.flags & TTRPCFrameHeader.Flags.remoteClosed != 0
        switch stage {
        case .streaming: return .deliver(call, hasData ? data : nil, isLast: isLast)
        case .halfClosed:
            return .abandon(call, CallError(.invalidArgument, "the client had ended its messages"))
        // The outcome is known, and nothing can change it.
        case .replying: return nil
        case .unary:
            // A client may send an empty frame to say that it sends no more.
            if !hasData, isLast, header.dataLength == 0 { return nil }
            return .abandon(
                call,
                CallError(.invalidArgument, "the method takes one message, in the request itself")
            )
        }
    }

    /// Records that the peer sends no more.
    ///
    /// - Returns: the calls whose remaining requests will never arrive.
    mutating func inputEnded() -> [Call] {
        switch phase {
        case .closed: return []
        case .fresh, .open, .paused, .inputEnded: phase = .inputEnded
        }
        return calls(at: .streaming)
    }

    // MARK: - Calls

    /// Records a call that has begun and was not answered at once.
    mutating func began(_ call: Call, on streamID: UInt32, as stage: Stage) {
        calls[streamID] = (call, stage)
        if stage.isStreaming { streamingCount += 1 }
    }

    /// Records that the client of a streaming call has sent its last request.
    mutating func requestsEnded(on streamID: UInt32) {
        calls[streamID]?.stage = .halfClosed
    }

    /// Records that the reply of a unary call waits for room in the output.
    mutating func replyWaits(_ call: Call, on streamID: UInt32) {
        calls[streamID] = (call, .replying)
    }

    /// Records that a call has its answer.
    ///
    /// Its handler may still run, if the call was abandoned.
    mutating func ended(on streamID: UInt32, handlerRuns: Bool) {
        if handlerRuns { abandonedHandlers += 1 }
        // A call that is answered at once is not in the table.
        guard !calls.isEmpty, let ended = calls.removeValue(forKey: streamID) else { return }
        if ended.stage.isStreaming { streamingCount -= 1 }
    }

    /// Records the end of a handler whose call was abandoned.
    mutating func abandonedHandlerEnded() { abandonedHandlers -= 1 }

    // MARK: - The end

    /// Lets no further call begin, since the server stops.
    ///
    /// - Returns: the streaming calls, which must end now since they may never end by themselves.
    mutating func drain() -> [Call] {
        switch admission {
        case .open: admission = .draining
        case .draining, .refusing: break
        }
        return calls(at: .streaming) + calls(at: .halfClosed)
    }

    /// Records the end of the connection.
    ///
    /// - Returns: the calls for which nobody waits any more.
    mutating func closed() -> [Call] {
        phase = .closed
        // Handlers that go on may keep the session for long.
        decoder = TTRPCFrameDecoder(frameBytesMax: frameBytesMax)
        defer {
            calls = [:]
            streamingCount = 0
        }
        return runningCalls
    }

    private func calls(at stage: Stage) -> [Call] {
        calls.values.compactMap { $0.stage == stage ? $0.call : nil }
    }
}
