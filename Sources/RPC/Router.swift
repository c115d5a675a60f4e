public import ProtoCodec

/// The methods that a server answers, by service and name.
///
///     var router = Router { error in RPCStatus(.internal, "internal error") }
///     router.unary("feedback.v1.FeedbackService", "AddFeedback",
///         decode: AddFeedback.decode, encode: AddFeedback.encode) { request, call in
///         try await service.add(request)
///     }
public struct Router: Sendable {
    struct Method: Sendable {
        let service: String
        let name: String
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
    ///   - handle: begins on the connection's loop and must not block it; it may suspend.
    public mutating func unary<Request: Sendable, Response: Sendable>(
        _ service: String,
        _ name: String,
        decode: @escaping @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request,
        encode: @escaping @Sendable (Response, ProtoArena) throws -> ProtoMessage,
        handle: @escaping @Sendable (Request, ServerCall) async throws -> Response
    ) {
        let status = self.status
        methods.append(
            Method(service: service, name: name) { bytes, arena, call in
                let request = try decode(bytes, arena)
                call.run(mapping: status) {
                    let response = try await handle(request, call)
                    return { arena in try encode(response, arena) }
                }
            }
        )
    }

    /// The names of all services.
    public var services: Set<String> { Set(methods.map(\.service)) }

    /// Finds a method by its C strings; there are too few for a table to be faster.
    func method(
        _ service: UnsafePointer<CChar>,
        _ name: UnsafePointer<CChar>
    ) throws(RPCStatus) -> Method {
        for method in methods where equal(method.name, name) && equal(method.service, service) {
            return method
        }
        if methods.contains(where: { equal($0.service, service) }) {
            throw RPCStatus(.unimplemented, "the service has no such method")
        }
        throw RPCStatus(.unimplemented, "there is no such service")
    }

    private func equal(_ text: String, _ other: UnsafePointer<CChar>) -> Bool {
        var index = 0
        for byte in text.utf8 {
            guard UInt8(bitPattern: other[index]) == byte else { return false }
            index += 1
        }
        return other[index] == 0
    }
}
