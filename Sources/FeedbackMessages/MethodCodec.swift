internal import FeedbackModel
public import ProtoCodec

/// A method of `feedback.v1`, with the conversions that its server and its clients need.
public struct MethodCodec<Request: Sendable, Response: Sendable>: Sendable {
    /// The full name of the method's service.
    public let service: String
    /// The method's name without its service.
    public let name: String
    private let buildRequest: @Sendable (Request, ProtoArena) throws -> ProtoMessage
    private let readRequest: @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Request
    private let buildResponse: @Sendable (Response, ProtoArena) throws -> ProtoMessage
    private let readResponse: @Sendable (UnsafeRawBufferPointer, ProtoArena) throws -> Response

    /// Makes a codec of the conversions between values and generated messages.
    ///
    /// A server refuses requests with ``UnservedFields``, which are those of the request, or of the
    /// messages in its field `unservedParent`.
    init<RequestMessage, ResponseMessage>(
        _ service: String,
        _ name: String,
        request: ProtoType<RequestMessage>,
        unserved: ProtoFieldNumbers = [],
        inside unservedParent: UInt32? = nil,
        response: ProtoType<ResponseMessage>,
        buildRequest:
            @escaping @Sendable (Request, inout RequestMessage, ProtoArena) throws -> Void,
        readRequest: @escaping @Sendable (RequestMessage) throws -> Request,
        buildResponse:
            @escaping @Sendable (Response, inout ResponseMessage, ProtoArena) throws -> Void,
        readResponse: @escaping @Sendable (ResponseMessage) throws -> Response
    ) {
        self.service = service
        self.name = name
        self.buildRequest = { value, arena in
            let message = try arena.make(request)
            try buildRequest(value, &message.pointee, arena)
            return ProtoMessage(message, builtIn: arena)
        }
        self.readRequest = { bytes, arena in
            let message = try arena.unpack(
                bytes,
                as: request,
                refusing: unserved,
                inside: unservedParent
            )
            return try readRequest(message.pointee)
        }
        self.buildResponse = { value, arena in
            let message = try arena.make(response)
            try buildResponse(value, &message.pointee, arena)
            return ProtoMessage(message, builtIn: arena)
        }
        self.readResponse = { bytes, arena in
            try readResponse(try arena.unpack(bytes, as: response).pointee)
        }
    }

    /// Builds the request in the arena.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if it is larger than the arena; INVALID_ARGUMENT that names a
    ///   field whose text contains NUL.
    public func encodeRequest(_ request: Request, _ arena: ProtoArena) throws -> ProtoMessage {
        do {
            return try buildRequest(request, arena)
        } catch let error as ProtoError where error.kind != .tooLarge {
            throw CallError(error, message: "\(name)Request")
        } catch is ProtoError {
            throw CallError(.resourceExhausted, "the request is larger than a message may be")
        }
    }

    /// Reads a request that was received.
    ///
    /// - Throws: INVALID_ARGUMENT that names a field whose text is not UTF-8 or contains NUL, or
    ///   which has an unknown enum value or is nested too deep; UNIMPLEMENTED that names a field
    ///   which is not served yet; RESOURCE_EXHAUSTED if decoding needs more memory than allowed;
    ///   INTERNAL if the bytes cannot be decoded as the message.
    public func decodeRequest(
        _ bytes: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws -> Request {
        do {
            return try readRequest(bytes, arena)
        } catch let error as ProtoError {
            throw CallError(error, message: "\(name)Request")
        }
    }

    /// Builds the response in the arena.
    ///
    /// - Throws: a ``ProtoError`` if it is larger than the arena.
    public func encodeResponse(_ response: Response, _ arena: ProtoArena) throws -> ProtoMessage {
        try buildResponse(response, arena)
    }

    /// Reads a response that was received.
    ///
    /// - Throws: INTERNAL if it is not a response that a server of `feedback.v1` sends.
    public func decodeResponse(
        _ bytes: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws -> Response {
        do {
            return try readResponse(bytes, arena)
        } catch {
            throw CallError(
                .internal,
                "the server's reply is not a valid \(name)Response",
                cause: error
            )
        }
    }
}

extension CallError {
    /// Makes the error with which a message that cannot be decoded is answered.
    init(_ error: ProtoError, message: String) {
        let field = error.field.isEmpty ? message : error.field
        switch error.kind {
        case .malformed:
            self.init(.internal, "the payload cannot be decoded as \(message)")
        case .tooLarge:
            self.init(
                .resourceExhausted,
                "the \(message) needs too much memory to decode: it has too "
                    + "many fields"
            )
        case .refusedField: self.init(.unimplemented, "\(field) is not served yet")
        case .tooDeep: self = .invalid(field, "messages are nested too deep")
        case .invalidUTF8: self = .invalid(field, "must be valid UTF-8")
        case .containsNUL: self = .invalid(field, "must not have the NUL character")
        case .unknownEnumValue: self = .invalid(field, "must be a value that the enum names")
        }
    }
}
