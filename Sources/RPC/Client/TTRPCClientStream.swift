internal import CallStatus
internal import ProtoCodec
internal import Synchronization

/// The client's side of one call with many responses over ttrpc, on a connection of its own.
///
/// ttrpc has no flow control for one call, so that the whole connection is not read while the
/// responses wait for their reader. The methods of the delegate run on the channel's loop; the others
/// may be called from any thread.
final class TTRPCClientStream<Response: Sendable>: ChannelDelegate, @unchecked Sendable {
    // Unchecked: `decoder` and `channel` are used on the loop only; `state` has a lock.

    /// The size of the responses that wait, in bytes of their frames, from which on nothing is read;
    /// those of one read may come on top.
    private static var waitingBytesMax: Int { 256 << 10 }
    private static var streamID: UInt32 { 1 }

    private enum End {
        case complete
        case failed(any Error)
    }

    private struct State {
        var responses: [Response] = []
        var bytes = 0
        var isPaused = false
        /// The end, which comes after the responses; nil until it is known.
        var end: End?
        /// The reader's wait; nil if it does not wait.
        var reader: UnsafeContinuation<[Response]?, any Error>?

        /// Takes what the reader waits for; nil if it has to wait.
        mutating func take() -> Result<[Response]?, any Error>? {
            if !responses.isEmpty {
                defer {
                    responses = []
                    bytes = 0
                }
                return .success(responses)
            }
            switch end {
            case nil: return nil
            case .complete: return .success(nil)
            case .failed(let error): return .failure(error)
            }
        }
    }

    /// Runs once when the connection is closed.
    var onClose: (() -> Void)?
    private let channel: Channel
    private let decode: @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Response
    private var decoder: TTRPCFrameDecoder
    private let state = Mutex(State())

    init(
        channel: Channel,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Response
    ) {
        self.channel = channel
        self.decode = decode
        decoder = TTRPCFrameDecoder(frameBytesMax: channel.loop.limits.frameBytesMax)
    }

    /// Sends the request, with which the call begins; closes the connection if that fails.
    func start(
        _ service: String,
        _ method: String,
        encode: (ProtoArena) throws -> ProtoMessage
    ) throws {
        do {
            try send(service, method, encode)
        } catch {
            channel.close()
            throw error
        }
    }

    private func send(
        _ service: String,
        _ method: String,
        _ encode: (ProtoArena) throws -> ProtoMessage
    ) throws {
        let arena = channel.loop.arena
        arena.reset()
        let message = try TTRPCEnvelope.encodeRequest(
            service: service,
            method: method,
            timeoutNanoseconds: 0,
            payload: try encode(arena),
            arena
        )
        guard message.packedSize <= channel.loop.limits.frameBytesMax else {
            throw CallError(.resourceExhausted, "the request is larger than a message may be")
        }
        let header = TTRPCFrameHeader(
            dataLength: message.packedSize,
            streamID: Self.streamID,
            kind: TTRPCFrameHeader.Kind.request,
            flags: TTRPCFrameHeader.Flags.remoteClosed
        )
        channel.write(TTRPCFrameHeader.bytes + message.packedSize) { start in
            header.write(to: start)
            message.pack(to: start + TTRPCFrameHeader.bytes)
        }
    }

    /// Waits for the next responses; only one task at a time may wait.
    ///
    /// - Returns: at least one response; nil at the end.
    func next() async throws -> [Response]? {
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let (result, mustResume) = state.withLock { state in
                    precondition(state.reader == nil, "one task at a time reads a stream")
                    let result = state.take()
                    if result == nil { state.reader = continuation }
                    defer { state.isPaused = false }
                    return (result, state.isPaused)
                }
                if mustResume { channel.loop.submit { self.channel.resumeReading() } }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Ends the call; the server learns of it by the end of the connection.
    func cancel() {
        channel.loop.submit { self.fail(CallError(.cancelled, "the stream was cancelled")) }
    }

    /// Ends the stream and its connection.
    private func fail(_ error: any Error) {
        end(.failed(error))
        channel.close()
    }

    private func end(_ end: End) {
        let reader = state.withLock { state -> UnsafeContinuation<[Response]?, any Error>? in
            if state.end == nil { state.end = end }
            defer { state.reader = nil }
            return state.reader
        }
        // A reader waits only while there are no responses.
        switch end {
        case .complete: reader?.resume(returning: nil)
        case .failed(let error): reader?.resume(throwing: error)
        }
    }

    private func handle(_ event: TTRPCFrameDecoder.Event, _ responses: inout [Response]) throws {
        guard case .frame(let header, let data) = event else {
            throw CallError(.resourceExhausted, "a response is larger than a message may be")
        }
        let arena = channel.loop.arena
        arena.reset()
        switch header.kind {
        case TTRPCFrameHeader.Kind.data:
            if header.flags & TTRPCFrameHeader.Flags.noData == 0 {
                responses.append(try data.withBytes { try decode($0, arena) })
            }
            if header.flags & TTRPCFrameHeader.Flags.remoteClosed != 0 { throw StreamEnd() }
        case TTRPCFrameHeader.Kind.response:
            let status: Result<Void, any Error> = try data.withBytes { data in
                try TTRPCEnvelope.decodeResponse(data, arena).map { _ in }.mapError { $0 }
            }
            try status.get()
            throw StreamEnd()
        default: break
        }
    }

    // MARK: - ChannelDelegate

    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        var responses: [Response] = []
        var failure: (any Error)?
        do {
            while let event = try decoder.next(&rest) { try handle(event, &responses) }
        } catch {
            failure = error
        }
        deliver(responses, bytes.count)
        if failure is StreamEnd {
            end(.complete)
            channel.close()
        } else if let failure {
            fail(failure)
        }
    }

    private func deliver(_ responses: [Response], _ bytes: Int) {
        guard !responses.isEmpty else { return }
        let (reader, isFull) = state.withLock {
            state -> (UnsafeContinuation<[Response]?, any Error>?, Bool) in
            if let reader = state.reader {
                state.reader = nil
                return (reader, false)
            }
            state.responses += responses
            state.bytes += bytes
            state.isPaused = state.bytes >= Self.waitingBytesMax
            return (nil, state.isPaused)
        }
        reader?.resume(returning: responses)
        if isFull { channel.pauseReading() }
    }

    func channelInputEnded(_ channel: Channel) { channel.close() }

    func channelWoke(_ channel: Channel) {}

    func channelHasRoom(_ channel: Channel) {}

    func channelClosed(_ channel: Channel) {
        end(.failed(CallError(.unavailable, "the connection was lost before the stream's end")))
        onClose?()
        onClose = nil
    }
}

/// The server has sent its last response.
private struct StreamEnd: Error {}

/// The responses of a call, in order; the call ends with the last reference to it.
///
/// About 256 KiB of responses wait in memory; further ones wait at the server until these are taken.
public final class RPCResponses<Response: Sendable>: Sendable {
    private let stream: TTRPCClientStream<Response>

    init(_ stream: TTRPCClientStream<Response>) { self.stream = stream }

    deinit { stream.cancel() }

    /// Waits for the next responses; only one task at a time may wait.
    ///
    /// - Returns: at least one response; nil at the end.
    /// - Throws: the server's ``CallError``; UNAVAILABLE if the connection is lost; CANCELLED with the
    ///   task, after which the call has ended; the errors of decoding.
    public func next() async throws -> [Response]? { try await stream.next() }
}
