internal import CallStatus
internal import ProtoCodec

/// The client's side of a ttrpc connection.
///
/// It is used on its channel's loop only.
final class TTRPCClientSession: ChannelDelegate {
    private let channel: Channel
    private var limits: RPCLimits { channel.loop.limits }
    private var decoder: TTRPCFrameDecoder
    private var calls: [UInt32: ClientCall] = [:]
    /// The calls that found no room in the output, in order.
    private var waiting: [ClientCall] = []
    private var nextStreamID: UInt32
    /// True while calls can be started.
    private(set) var isOpen = true

    /// Makes the session of a connection whose calls have odd stream ids from the given one on.
    init(channel: Channel, firstStreamID: UInt32 = 1) {
        self.channel = channel
        nextStreamID = firstStreamID
        decoder = TTRPCFrameDecoder(frameBytesMax: channel.loop.limits.frameBytesMax)
    }

    /// Sends the request, now or when the output has room for it; the answer completes the call.
    func start(_ call: ClientCall) throws {
        if let deadline = call.deadline { channel.wake(at: deadline) }
        if try !waiting.isEmpty || !send(call) { waiting.append(call) }
    }

    /// Sends the request and returns true, or returns false if the output has no room for it now.
    private func send(_ call: ClientCall) throws -> Bool {
        guard !call.hasEnded else { return true }
        let now = ContinuousClock.now
        var timeout: Int64 = 0
        if let deadline = call.deadline {
            timeout = (deadline - now).nanoseconds
            if timeout <= 0 { throw CallError(.deadlineExceeded, "the deadline passed") }
        }
        let arena = channel.loop.arena
        arena.reset()
        let message = try TTRPCEnvelope.encodeRequest(
            service: call.service,
            method: call.method,
            timeoutNanoseconds: timeout,
            payload: try call.encode(arena),
            arena
        )
        guard message.packedSize <= limits.frameBytesMax else {
            throw CallError(
                .resourceExhausted,
                "the request has \(message.packedSize) bytes, at most \(limits.frameBytesMax) are "
                    + "possible"
            )
        }
        guard channel.hasRoom(for: TTRPCFrameHeader.bytes + message.packedSize) else {
            return false
        }
        let streamID = nextStreamID
        advanceStreamID()
        calls[streamID] = call
        call.onEnd = { [weak self] in self?.ended(streamID) }
        let header = TTRPCFrameHeader(
            dataLength: message.packedSize,
            streamID: streamID,
            kind: TTRPCFrameHeader.Kind.request,
            flags: TTRPCFrameHeader.Flags.remoteClosed
        )
        channel.write(TTRPCFrameHeader.bytes + message.packedSize) { start in
            header.write(to: start)
            message.pack(to: start + TTRPCFrameHeader.bytes)
        }
        return true
    }

    /// Advances to the next odd number.
    ///
    /// When all are used, the client makes a new connection for further calls.
    private func advanceStreamID() {
        let (next, overflow) = nextStreamID.addingReportingOverflow(2)
        nextStreamID = next
        if overflow { isOpen = false }
    }

    private func ended(_ streamID: UInt32) {
        calls[streamID] = nil
        // Nobody begins another call here.
        if !isOpen, calls.isEmpty { channel.closeAfterFlush() }
    }

    /// Closes the connection; calls that wait for their answers end with CANCELLED.
    func close() {
        end(CallError(.cancelled, "the client was closed"))
        channel.close()
    }

    private func end(_ status: CallError) {
        isOpen = false
        for call in Array(calls.values) + waiting { call.complete(.failure(status)) }
        waiting = []
    }

    private func handle(_ event: TTRPCFrameDecoder.Event) {
        switch event {
        case .oversized(let header):
            calls[header.streamID]?.complete(
                .failure(
                    CallError(
                        .resourceExhausted,
                        "the reply has \(header.dataLength) bytes, at most "
                            + "\(limits.frameBytesMax) are accepted"
                    )
                )
            )
        case .frame(let header, let data):
            guard header.kind == TTRPCFrameHeader.Kind.response, let call = calls[header.streamID]
            else { return }
            let arena = channel.loop.arena
            arena.reset()
            do {
                try data.withBytes { data in
                    call.complete(try TTRPCEnvelope.decodeResponse(data, arena).mapError { $0 })
                }
            } catch {
                call.complete(
                    .failure(CallError(.internal, "the server's reply is not a ttrpc response"))
                )
            }
        }
    }

    // MARK: - ChannelDelegate

    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        do {
            while let event = try decoder.next(&rest) { handle(event) }
        } catch {
            channel.close()
        }
    }

    func channelInputEnded(_ channel: Channel) { channel.close() }

    func channelWoke(_ channel: Channel) {
        let now = ContinuousClock.now
        for call in Array(calls.values) + waiting {
            if let deadline = call.deadline, deadline <= now {
                call.complete(.failure(CallError(.deadlineExceeded, "the deadline passed")))
            }
        }
        waiting.removeAll { $0.hasEnded }
        let deadlines = calls.values.compactMap(\.deadline) + waiting.compactMap(\.deadline)
        if let next = deadlines.min() { channel.wake(at: next) }
    }

    func channelHasRoom(_ channel: Channel) {
        var started = 0
        while started < waiting.count, isOpen {
            let call = waiting[started]
            do {
                guard try send(call) else { break }
            } catch {
                call.complete(.failure(error))
            }
            started += 1
        }
        waiting.removeFirst(min(started, waiting.count))
        if !isOpen { refuseWaiting() }
    }

    /// Ends the calls that wait when all stream ids are used: repeated, they go over a new
    /// connection.
    private func refuseWaiting() {
        let refused = waiting
        waiting = []
        for call in refused {
            call.complete(
                .failure(CallError(.unavailable, "the connection has used all its stream ids"))
            )
        }
    }

    func channelClosed(_ channel: Channel) {
        end(CallError(.unavailable, "the connection was lost before the answer came"))
    }
}
