internal import CallStatus
internal import Glibc
public import ProtoCodec
internal import Synchronization

/// Calls methods over ttrpc on a Unix domain socket: many calls at once on one connection, which is
/// made when it is first needed and made anew after it was lost.
///
/// It does not repeat calls; the statuses it throws say whether that is safe.
public final class RPCClient: Sendable {
    /// Where the server is.
    public let address: UnixSocketAddress
    private let limits: RPCLimits
    private let loop: EventLoop
    private let connection = LoopBound<TTRPCClientSession?>(nil)

    /// Makes a client; nothing is connected yet.
    ///
    /// - Throws: an error if the process has no descriptor left.
    public init(address: UnixSocketAddress, limits: RPCLimits = RPCLimits()) throws {
        var limits = limits
        // A server that is busy reads no requests, and its answers must be read all the same.
        limits.outputQueueBytesPause = .max
        limits.outputStallTimeout = .seconds(Int32.max)
        limits.outputFullTimeout = .seconds(Int32.max)
        self.address = address
        self.limits = limits
        loop = try EventLoop(label: "rpc.client", limits: limits)
    }

    deinit { close() }

    /// Connects, if that has not happened yet.
    ///
    /// - Throws: UNAVAILABLE with the reason.
    public func connect() async throws {
        try await withUnsafeThrowingContinuation { (done: UnsafeContinuation<Void, any Error>) in
            loop.submit { done.resume(with: Result { _ = try self.connectedSession() }) }
        }
    }

    /// Closes the connection; calls that wait end with CANCELLED.
    ///
    /// A later call connects again.
    public func close() {
        loop.submit { [connection] in connection.value?.close() }
    }

    /// Calls a method and waits for its answer.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - method: the method's own name.
    ///   - timeout: how long the answer is waited for, here and by the server.
    ///   - encode: builds the request in the arena.
    ///   - decode: reads the response's bytes, which it must not keep.
    /// - Returns: what `decode` made of the response.
    /// - Throws: the server's ``CallError``; DEADLINE_EXCEEDED; CANCELLED with the task;
    ///   UNAVAILABLE when the server cannot be reached or the connection is lost before the answer;
    ///   what `encode` and `decode` throw.
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

    private func begin(_ call: ClientCall, _ done: @escaping ClientCall.Completion) {
        call.begin(arena: loop.arena, done)
        do {
            try connectedSession().start(call)
        } catch {
            call.complete(.failure(error))
        }
    }

    private func connectedSession() throws -> TTRPCClientSession {
        if let session = connection.value, session.isOpen { return session }
        let descriptor: Int32
        do {
            descriptor = try SocketFile.connect(to: address)
        } catch {
            throw CallError(.unavailable, "\(error)")
        }
        let channel = Channel(descriptor: descriptor, loop: loop, limits: limits)
        let session = TTRPCClientSession(channel: channel, limits: limits)
        channel.start(delegate: session)
        connection.value = session
        return session
    }
}

/// A value that is used on one loop's queue only.
private final class LoopBound<Value>: @unchecked Sendable {
    // Unchecked: see above.
    var value: Value
    init(_ value: Value) { self.value = value }
}
