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

    struct Method: Sendable {
        let service: String
        /// The names as they stand in requests.
        let serviceBytes: [UInt8]
        let nameBytes: [UInt8]
        /// Decodes the request and runs the handler, which answers the call.
        let start: @Sendable (UnsafeRawBufferPointer, ProtoArena, ServerCall) throws -> Void
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
        answer: @escaping @Sendable (Request, ServerCall) throws -> Answer<Response>
    ) {
        let status = self.status
        methods.append(
            Method(
                service: service,
                serviceBytes: Array(service.utf8),
                nameBytes: Array(name.utf8)
            ) { bytes, arena, call in
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

    /// The names of all services.
    public var services: Set<String> { Set(methods.map(\.service)) }

    /// Finds a method by its names; there are too few for a table to be faster.
    func method(
        _ service: UnsafeRawBufferPointer,
        _ name: UnsafeRawBufferPointer
    ) throws(RPCStatus) -> Method {
        for method in methods where method.nameBytes.equal(name) {
            if method.serviceBytes.equal(service) { return method }
        }
        if methods.contains(where: { $0.serviceBytes.equal(service) }) {
            throw RPCStatus(.unimplemented, "the service has no such method")
        }
        throw RPCStatus(.unimplemented, "there is no such service")
    }
}

extension [UInt8] {
    fileprivate func equal(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count, let start = other.baseAddress else { return false }
        return memcmp(self, start, count) == 0
    }
}
