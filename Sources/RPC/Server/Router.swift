public import CallStatus
internal import Glibc
public import Logging
public import ProtoCodec

/// The methods that a server has, by service and name.
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
        /// True if a call may have changed something, so that its reply must not be replaced by a
        /// refusal.
        let hasSideEffects: Bool
        /// The position of the method among those of the router.
        let index: Int
        /// The names in the form that requests have.
        fileprivate let serviceBytes: [UInt8]
        fileprivate let nameBytes: [UInt8]
        /// The path of the method in gRPC, which is `/service/name`.
        fileprivate let path: [UInt8]

        fileprivate init(
            _ service: String,
            _ name: String,
            at index: Int,
            hasSideEffects: Bool,
            _ handler: Handler
        ) {
            self.service = service
            self.handler = handler
            self.hasSideEffects = hasSideEffects
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
    private let failures: LogLimiter

    /// Makes an empty router.
    ///
    /// - Parameter logger: receives the calls that fail by a fault of the server, without their
    ///   contents; many of one kind only by their number.
    public init(logger: Logger) {
        self.logger = logger
        failures = LogLimiter(logger)
    }

    /// Registers a method with one request and one response.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - name: the name of the method without its service.
    ///   - hasSideEffects: false if a call changes nothing, so that its reply may be refused for want
    ///     of memory.
    ///   - decode: reads the request's bytes, which it must not keep.
    ///   - encode: builds the response in the arena.
    ///   - handle: handles the call. It begins on the connection's loop and must not block it, but
    ///     may suspend.
    public mutating func unary<Request: Sendable, Response: Sendable>(
        _ service: String,
        _ name: String,
        hasSideEffects: Bool = true,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        handle: @escaping @Sendable (Request, CallContext) async throws -> Response
    ) {
        methods.append(
            Method(
                service,
                name,
                at: methods.count,
                hasSideEffects: hasSideEffects,
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
    /// For a method with one request (gRPC's server streaming), the handler begins with
    /// ``RequestStream/only()``. When the server stops, streaming calls end with UNAVAILABLE.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - name: the name of the method without its service.
    ///   - decode: reads a request's bytes, which it must not keep.
    ///   - encode: builds a response in the arena.
    ///   - handle: handles the call, which ends when it returns or throws. It begins on the
    ///     connection's loop and must not block it, but may suspend.
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
                hasSideEffects: true,
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

    /// Returns the status that the peer gets for an error of a handler, decoder or encoder, and
    /// logs it.
    ///
    /// The cause of a status, which may contain anything, is logged at level debug only.
    func status(of error: any Error) -> CallError {
        let status = CallError(error)
        var isLogged = true
        switch status.code {
        case .internal, .dataLoss, .unknown:
            // The text of the cause may contain anything, a comment too; its type does not.
            let kind = status.cause.map { " (\(type(of: $0)))" } ?? ""
            isLogged = failures.log(
                .error,
                "calls that failed with \(status.code.name)\(kind)",
                "a call failed: \(status)\(kind)"
            )
        default: logger.debug("a call failed: \(status)")
        }
        if isLogged, let cause = status.cause { logger.debug("the cause: \(cause)") }
        return status
    }

    /// The names of all services.
    public var services: Set<String> { Set(methods.map(\.service)) }

    /// The names of the methods in their order, each as `service/name`.
    var methodNames: [String] {
        methods.map { String(decoding: $0.path.dropFirst(), as: UTF8.self) }
    }

    /// Returns the method of the names; a search is as fast as a table, since there are few
    /// methods.
    func method(
        _ service: UnsafeRawBufferPointer,
        _ name: UnsafeRawBufferPointer
    ) throws(CallError) -> Method {
        for method in methods where method.nameBytes.equal(name) {
            if method.serviceBytes.equal(service) { return method }
        }
        throw missing(hasService: methods.contains { $0.serviceBytes.equal(service) })
    }

    /// Returns the method of a path in gRPC.
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
