internal import CallStatus
internal import Glibc
public import ProtoCodec
internal import Synchronization

/// Calls methods over ttrpc on a Unix domain socket: many calls at once on one connection, which is
/// made when it is first needed, and anew after it was lost.
///
/// A call with many responses has a connection of its own.
///
/// It does not repeat calls. A call that ends with UNAVAILABLE may have been executed by the
/// server, if the connection was lost before the answer.
public final class RPCClient: Sendable {
    /// The address of the server's socket.
    public let address: UnixSocketAddress
    private let loop: EventLoop
    private let connection = LoopBound<TTRPCClientSession?>(nil)
    /// Ends the streams that run, by the numbers of their channels.
    private let streams = LoopBound<[UInt64: () -> Void]>([:])

    /// Makes a client; it connects with the first call, or with ``connect()``.
    ///
    /// - Throws: an error if the process has no descriptor left.
    public init(address: UnixSocketAddress, limits: RPCLimits = RPCLimits()) throws {
        var limits = limits
        // A busy server may read no requests for a while. That is no reason for the client to close
        // the connection, nor to stop reading, as the server may be waiting for its answers to be
        // read.
        limits.outputQueueBytesPause = .max
        limits.outputStallTimeout = .seconds(Int32.max)
        limits.outputFullTimeout = .seconds(Int32.max)
        self.address = address
        loop = try EventLoop(label: "rpc.client", limits: limits)
    }

    deinit { close() }

    /// Connects to the server, unless there is a connection.
    ///
    /// - Throws: UNAVAILABLE with the reason if the server cannot be reached.
    public func connect() async throws {
        try await withUnsafeThrowingContinuation { (done: UnsafeContinuation<Void, any Error>) in
            loop.submit { done.resume(with: Result { _ = try self.connectedSession() }) }
        }
    }

    /// Closes all connections; calls that wait for their answers, and streams, end with CANCELLED.
    ///
    /// A later call connects again.
    public func close() {
        loop.submit { [connection, streams] in
            connection.value?.close()
            for end in streams.value.values { end() }
        }
    }

    /// Calls a method and waits for its answer.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - method: the name of the method without its service.
    ///   - timeout: the time after which the call ends with DEADLINE_EXCEEDED, here and at the
    ///     server; nil for none.
    ///   - encode: builds the request in the arena, on the client's loop.
    ///   - decode: reads the response's bytes, which it must not keep, on the client's loop.
    /// - Returns: the value that `decode` has returned.
    /// - Throws: the server's ``CallError``; DEADLINE_EXCEEDED; CANCELLED with the task;
    ///   UNAVAILABLE if the server cannot be reached or the connection is lost before the answer;
    ///   RESOURCE_EXHAUSTED for a request or response above ``RPCLimits/frameBytesMax``; and the
    ///   errors of `encode` and `decode`.
    public func call<Response: Sendable>(
        _ service: String,
        _ method: String,
        timeout: Duration?,
        encode: @escaping @Sendable (ProtoArena) throws -> ProtoMessage,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Response
    ) async throws -> Response {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        let call = ClientCall(service: service, method: method, deadline: deadline, encode: encode)
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let done: ClientCall.Completion = { outcome, arena in
                    continuation.resume(
                        with: Result { () throws -> Response in
                            try decode(try outcome.get(), arena)
                        }
                    )
                }
                loop.submit { self.begin(call, done) }
            }
        } onCancel: {
            loop.submit { call.complete(.failure(CallError(.cancelled, "the task was cancelled"))) }
        }
    }

    /// Begins a call with one request and any number of responses, on a connection of its own: a slow
    /// reader of the responses holds up no other call.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - method: the name of the method without its service.
    ///   - encode: builds the request in the arena, on the client's loop.
    ///   - decode: reads a response's bytes, which it must not keep, on the client's loop.
    /// - Returns: the responses, of which none may have come yet.
    /// - Throws: UNAVAILABLE if the server cannot be reached; RESOURCE_EXHAUSTED for a request above
    ///   ``RPCLimits/frameBytesMax``; the errors of `encode`. Those of the call come with its
    ///   responses.
    public func stream<Response: Sendable>(
        _ service: String,
        _ method: String,
        encode: @escaping @Sendable (ProtoArena) throws -> ProtoMessage,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Response
    ) async throws -> RPCResponses<Response> {
        try await withUnsafeThrowingContinuation { continuation in
            loop.submit {
                continuation.resume(
                    with: Result {
                        let stream = try self.connectedStream(decode)
                        try stream.start(service, method, encode: encode)
                        return RPCResponses(stream)
                    }
                )
            }
        }
    }

    private func begin(_ call: ClientCall, _ done: @escaping ClientCall.Completion) {
        call.begin(arena: loop.arena, done)
        do {
            try connectedSession().start(call)
        } catch {
            call.complete(.failure(error))
        }
    }

    private func connectedStream<Response: Sendable>(
        _ decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Response
    ) throws -> TTRPCClientStream<Response> {
        let channel = try connectedChannel()
        let stream = TTRPCClientStream(channel: channel, decode: decode)
        channel.start(delegate: stream)
        let id = channel.registrationID
        streams.value[id] = { [weak stream] in stream?.cancel() }
        stream.onClose = { [streams] in streams.value[id] = nil }
        return stream
    }

    private func connectedSession() throws -> TTRPCClientSession {
        if let session = connection.value, session.isOpen { return session }
        let channel = try connectedChannel()
        let session = TTRPCClientSession(channel: channel)
        channel.start(delegate: session)
        connection.value = session
        return session
    }

    private func connectedChannel() throws -> Channel {
        let descriptor: Int32
        do {
            descriptor = try SocketFile.connect(to: address)
        } catch {
            throw CallError(.unavailable, "\(error)")
        }
        return Channel(
            descriptor: descriptor,
            loop: loop,
            // The server is trusted, and its replies have limits of their own.
            memory: ConnectionMemory(PeerMemory(bytesMax: .max), uid: 0)
        )
    }
}

/// A value that is used on the queue of one loop only.
private final class LoopBound<Value>: @unchecked Sendable {
    // Unchecked: guarded by the queue of the loop, as above.
    var value: Value
    init(_ value: Value) { self.value = value }
}
