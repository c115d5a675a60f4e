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
    final class Method: Sendable {
        enum Handler: Sendable {
            /// Decodes the request and runs the handler, which answers the call.
            case unary(@Sendable (UnsafeRawBufferPointer, ProtoArena, ServerCall) throws -> Void)
            /// Runs the handler, which takes requests from the call's messages.
            case streaming(@Sendable (ServerCall) -> Void)
        }

        let service: String
        let name: String
        let handler: Handler
        /// As gRPC names it: `/service/name`.
        fileprivate let path: [UInt8]

        fileprivate init(_ service: String, _ name: String, _ handler: Handler) {
            self.service = service
            self.name = name
            self.handler = handler
            path = Array("/\(service)/\(name)".utf8)
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
            Method(
                service,
                name,
                .unary { bytes, arena, call in
                    let request = try decode(bytes, arena)
                    call.run(mapping: status) {
                        let response = try await handle(request, call)
                        return .response { arena in try encode(response, arena) }
                    }
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
                RequestStream<Request>, ResponseStream<Response>, ServerCall
            ) async throws -> Void
    ) {
        let status = self.status
        methods.append(
            Method(
                service,
                name,
                .streaming { call in
                    call.run(mapping: status) {
                        try await handle(
                            RequestStream(call: call, decode: decode),
                            ResponseStream(call: call, encode: encode),
                            call
                        )
                        return .end
                    }
                }
            )
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
        throw missing(hasService: methods.contains { equal($0.service, service) })
    }

    /// Finds a method by gRPC's path: `/service/name`.
    func method(path: UnsafeRawBufferPointer) throws(RPCStatus) -> Method {
        if let start = path.baseAddress {
            for method in methods where method.path.count == path.count {
                if memcmp(method.path, start, path.count) == 0 { return method }
            }
        }
        let service = path.dropFirst().prefix { $0 != UInt8(ascii: "/") }
        throw missing(hasService: methods.contains { $0.service.utf8.elementsEqual(service) })
    }

    private func missing(hasService: Bool) -> RPCStatus {
        RPCStatus(
            .unimplemented,
            hasService ? "the service has no such method" : "there is no such service"
        )
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
