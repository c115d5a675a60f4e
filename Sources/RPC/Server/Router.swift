public import CallStatus
internal import Glibc
public import Logging
public import ProtoCodec

/// The methods that a server answers, by service and name.
///
///     var router = Router(logger: logger)
///     router.unary("feedback.v1.FeedbackService", "AddFeedback",
///         decode: AddFeedback.decode, encode: AddFeedback.encode) { request, context in
///         try await service.add(request)
///     }
public struct Router: Sendable {
    final class Method: Sendable {
        enum Handler: Sendable {
            /// Decodes the request and runs the handler, which answers the call.
            case unary(@Sendable (UnsafeRawBufferPointer, ProtoArena, ServerCall) throws -> Void)
            /// Runs the handler, which takes requests from the call's messages.
            case streaming(@Sendable (ServerCall) -> Void)
        }

        let service: String
        let handler: Handler
        /// Its place among the router's methods.
        let index: Int
        /// The names as they stand in requests.
        fileprivate let serviceBytes: [UInt8]
        fileprivate let nameBytes: [UInt8]
        /// Both together as gRPC has them: `/service/name`.
        fileprivate let path: [UInt8]

        fileprivate init(_ service: String, _ name: String, at index: Int, _ handler: Handler) {
            self.service = service
            self.handler = handler
            self.index = index
            serviceBytes = Array(service.utf8)
            nameBytes = Array(name.utf8)
            path = Array("/\(service)/\(name)".utf8)
        }

        var isStreaming: Bool {
            if case .streaming = handler { true } else { false }
        }
    }

    private var methods: [Method] = []
    private let logger: Logger

    /// Makes an empty router.
    ///
    /// - Parameter logger: told of calls that fail by a fault of the server's, without contents.
    public init(logger: Logger) { self.logger = logger }

    /// Registers a method with one request and one response.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - name: the method's own name.
    ///   - decode: reads the request's bytes, which it must not keep.
    ///   - encode: builds the response in the arena.
    ///   - handle: begins on the connection's loop and must not block it; it may suspend.
    public mutating func unary<Request: Sendable, Response: Sendable>(
        _ service: String,
        _ name: String,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        handle: @escaping @Sendable (Request, CallContext) async throws -> Response
    ) {
        methods.append(
            Method(
                service,
                name,
                at: methods.count,
                .unary { bytes, arena, call in
                    let request = try decode(bytes, arena)
                    call.handlerBegan(
                        Task.immediate(executorPreference: call.loop) {
                            await call.respond(to: request, encode, handle)
                        }
                    )
                }
            )
        )
    }

    /// Registers a method with any number of requests and of responses.
    ///
    /// The client may send one request only (gRPC calls that server streaming): the handler then
    /// begins with ``RequestStream/only()``. When the server stops, streaming calls end with
    /// UNAVAILABLE.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - name: the method's own name.
    ///   - decode: reads a request's bytes, which it must not keep.
    ///   - encode: builds a response in the arena.
    ///   - handle: begins on the connection's loop and must not block it; it may suspend. The call
    ///     ends when it returns or throws.
    public mutating func streaming<Request: Sendable, Response: Sendable>(
        _ service: String,
        _ name: String,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        handle:
            @escaping @Sendable (
                RequestStream<Request>, ResponseStream<Response>, CallContext
            ) async throws -> Void
    ) {
        methods.append(
            Method(
                service,
                name,
                at: methods.count,
                .streaming { call in
                    call.handlerBegan(
                        Task.immediate(executorPreference: call.loop) {
                            await call.respond {
                                try await handle(
                                    RequestStream(call: call, decode: decode),
                                    ResponseStream(call: call, encode: encode),
                                    call.context
                                )
                            }
                        }
                    )
                }
            )
        )
    }

    /// What the peer is told about anything that a handler, decoder or encoder has thrown.
    ///
    /// What led to it is logged only below the levels that are usually kept.
    func status(of error: any Error) -> CallError {
        let status = CallError(error)
        switch status.code {
        case .internal, .dataLoss, .unknown:
            // The cause's text may hold anything, a comment too; its type does not.
            let kind = status.cause.map { " (\(type(of: $0)))" } ?? ""
            logger.error("a call failed: \(status)\(kind)")
        default: logger.debug("a call failed: \(status)")
        }
        if let cause = status.cause { logger.debug("the cause: \(cause)") }
        return status
    }

    /// The names of all services.
    public var services: Set<String> { Set(methods.map(\.service)) }

    /// The methods in their order, as `service/name`.
    var methodNames: [String] {
        methods.map { String(decoding: $0.path.dropFirst(), as: UTF8.self) }
    }

    /// Finds a method by its names; there are too few for a table to be faster.
    func method(
        _ service: UnsafeRawBufferPointer,
        _ name: UnsafeRawBufferPointer
    ) throws(CallError) -> Method {
        for method in methods where method.nameBytes.equal(name) {
            if method.serviceBytes.equal(service) { return method }
        }
        throw missing(hasService: methods.contains { $0.serviceBytes.equal(service) })
    }

    /// Finds a method by gRPC's path.
    func method(path: UnsafeRawBufferPointer) throws(CallError) -> Method {
        for method in methods where method.path.equal(path) { return method }
        let service = path.dropFirst().prefix { $0 != UInt8(ascii: "/") }
        throw missing(hasService: methods.contains { $0.serviceBytes.elementsEqual(service) })
    }

    private func missing(hasService: Bool) -> CallError {
        CallError(
            .unimplemented,
            hasService ? "the service has no such method" : "there is no such service"
        )
    }
}

extension [UInt8] {
    fileprivate func equal(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count, let start = other.baseAddress else { return false }
        return memcmp(self, start, count) == 0
    }
}
