internal import CallStatus
internal import ProtoCodec

/// The requests of a streaming call, in order; the call ends for its handler with the last.
///
/// Only one task at a time may read them. The next one is read from the connection only when the
/// handler asks for it, as far as the protocol can make a client wait.
public struct RequestStream<Request: Sendable>: AsyncSequence, Sendable {
    /// Reads the requests.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let stream: RequestStream

        /// Waits for the next request.
        ///
        /// - Returns: the request; nil after the last.
        /// - Throws: what decoding throws; `CancellationError` when nobody waits for the call.
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

    /// Begins where the last reader ended.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    /// The request of a method that takes exactly one.
    ///
    /// - Throws: UNIMPLEMENTED, as gRPC says, if there are more or none.
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

    /// Sends a response, as soon as the peer takes it.
    ///
    /// Returns when the next may be sent; being cancelled alone does not end it before. Only one
    /// task at a time may send.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if it is larger than a message may be; `CancellationError` when
    ///   nobody waits for the call.
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
        // What has begun to be sent goes on; the end of the call ends it.
        try await withUnsafeThrowingContinuation { continuation in
            onLoop { messages, _ in
                messages.offer(response) { continuation.resume(with: $0) }
                self.responseWaits()
            }
        }
    }
}
