internal import CallStatus
internal import ProtoCodec

/// The requests of a streaming call, in order; the sequence ends after the client's last request.
///
/// Only one task at a time may read them. Requests that the handler has not taken wait in memory,
/// up to ``RPCLimits/requestBytesHeldMax`` for the connection. A gRPC client is slowed down by
/// HTTP/2's flow control before that; ttrpc has no flow control for one call.
public struct RequestStream<Request: Sendable>: AsyncSequence, Sendable {
    /// Reads the requests of the stream.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let stream: RequestStream

        /// Waits for the next request.
        ///
        /// - Returns: the request; nil after the last.
        /// - Throws: the errors of decoding; `CancellationError` if the task is cancelled or if
        ///   nobody waits for the call any more.
        public func next() async throws -> Request? { try await stream.next() }
    }

    private let call: ServerCall
    private let decode: @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request

    init(
        call: ServerCall,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request
    ) {
        self.call = call
        self.decode = decode
    }

    /// Makes an iterator, which begins after the last request that was read.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    /// Returns the request of a method that takes exactly one.
    ///
    /// - Throws: UNIMPLEMENTED, as gRPC says, if there are more or none; the errors of reading.
    public func only() async throws -> Request {
        guard let request = try await next(), try await next() == nil else {
            throw CallError.notOneMessage
        }
        return request
    }

    private func next() async throws -> Request? { try await call.nextRequest(decode) }
}

/// Sends the responses of a streaming call.
public struct ResponseStream<Response: Sendable>: Sendable {
    private let call: ServerCall
    private let encode: @Sendable (Response, ProtoArena) throws -> ProtoMessage

    init(
        call: ServerCall,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage
    ) {
        self.call = call
        self.encode = encode
    }

    /// Sends a response as soon as the output has room for it.
    ///
    /// The function returns when the next response may be sent. A cancellation of the task alone
    /// does not end the wait. Only one task at a time may send.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if the response is larger than a message may be; the errors of
    ///   encoding; `CancellationError` if nobody waits for the call any more.
    public func send(_ response: Response) async throws {
        let encode = self.encode
        try await call.send { arena in try encode(response, arena) }
    }
}

extension ServerCall {
    fileprivate func nextRequest<Request: Sendable>(
        _ decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request
    ) async throws -> Request? {
        let token = CallMessages.CancellationToken()
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                onLoop { messages, arena in
                    messages.take(token) { result in
                        continuation.resume(
                            with: Result {
                                try result.get().map { request in
                                    arena.reset()
                                    return try request.withUnsafeBytes { try decode($0, arena) }
                                }
                            }
                        )
                    }
                    self.requestTaken()
                }
            }
        } onCancel: {
            onLoop { messages, _ in messages.cancel(token) }
        }
    }

    fileprivate func send(_ response: @escaping MessageBuilder) async throws {
        // A response that has begun to be sent must be sent wholly, so that a cancellation of the
        // task does not end the wait; the end of the call does.
        try await withUnsafeThrowingContinuation { continuation in
            onLoopAtOnce { messages, _ in
                messages.offer(response) { continuation.resume(with: $0) }
                self.responseWaits()
            }
        }
    }
}
