internal import Glibc
public import ProtoCodec

/// The methods that a server answers, by service and name.
///
///     var router = Router { error in RPCStatus(.internal, "internal error") }
///     router.unary("feedback.v1.FeedbackService", "AddFeedback",
///         decode: AddFeedback.decode, encode: AddFeedback.encode) { request, call in
///         try await service.add(request)
///     }
public struct Router: Sendable {
    /// What becomes of a request.
    public enum Answer<Response: Sendable>: Sendable {
        /// The response is there.
        case now(Response)
        /// The response will come; the work begins on the connection's loop.
        case later(@Sendable () async throws -> Response)
    }

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
    /// What becomes of everything that handlers, decoders and encoders throw.
    let status: @Sendable (any Error) -> RPCStatus

    /// Makes an empty router.
    public init(status: @escaping @Sendable (any Error) -> RPCStatus) { self.status = status }

    /// Registers a method with one request and one response.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - name: the method's own name.
    ///   - decode: reads the request's bytes, which it must not keep.
    ///   - encode: builds the response in the arena.
    ///   - answer: called on the connection's loop and must not block it. A response that needs no
    ///     waiting costs neither a task nor any memory beyond its own.
    public mutating func unary<Request: Sendable, Response: Sendable>(
        _ service: String,
        _ name: String,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        answer: @escaping @Sendable (consuming Request, ServerCall) throws -> Answer<Response>
    ) {
        let status = self.status
        methods.append(
            Method(
                service,
                name,
                at: methods.count,
                .unary { bytes, arena, call in
                    switch try answer(try decode(bytes, arena), call) {
                    case .now(let response): call.answer(response, encode)
                    case .later(let handle):
                        call.run(mapping: status) {
                            let response = try await handle()
                            return { arena in try encode(response, arena) }
                        }
                    }
                }
            )
        )
    }

    /// Registers a method whose handler always suspends, or may.
    ///
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - name: the method's own name.
    ///   - decode: reads the request's bytes, which it must not keep.
    ///   - encode: builds the response in the arena.
    ///   - handle: begins on the connection's loop and must not block it.
    public mutating func unary<Request: Sendable, Response: Sendable>(
        _ service: String,
        _ name: String,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        handle: @escaping @Sendable (Request, ServerCall) async throws -> Response
    ) {
        unary(service, name, decode: decode, encode: encode) { request, call in
            .later { try await handle(request, call) }
        }
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
                RequestStream<Request>, ResponseStream<Response>, ServerCall
            ) async throws -> Void
    ) {
        let status = self.status
        methods.append(
            Method(
                service,
                name,
                at: methods.count,
                .streaming { call in
                    call.run(mapping: status) {
                        try await handle(
                            RequestStream(call: call, decode: decode),
                            ResponseStream(call: call, encode: encode),
                            call
                        )
                        return nil
                    }
                }
            )
        )
    }

    /// What the peer is told about an error, which may be a status already.
    func status(of error: any Error) -> RPCStatus { error as? RPCStatus ?? status(error) }

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
    ) throws(RPCStatus) -> Method {
        for method in methods where method.nameBytes.equal(name) {
            if method.serviceBytes.equal(service) { return method }
        }
        throw missing(hasService: methods.contains { $0.serviceBytes.equal(service) })
    }

    /// Finds a method by gRPC's path.
    func method(path: UnsafeRawBufferPointer) throws(RPCStatus) -> Method {
        for method in methods where method.path.equal(path) { return method }
        let service = path.dropFirst().prefix { $0 != UInt8(ascii: "/") }
        throw missing(hasService: methods.contains { $0.serviceBytes.elementsEqual(service) })
    }

    private func missing(hasService: Bool) -> RPCStatus {
        RPCStatus(
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
