internal import CProtobufC
internal import CRPCProto
internal import CallStatus
internal import ProtoCodec

/// The messages in which ttrpc wraps requests and responses.
enum TTRPCEnvelope {
    private static let request = ProtoType(ttrpc__request__init)
    private static let response = ProtoType(ttrpc__response__init)

    /// A request whose texts and payload are parts of its frame.
    struct Request {
        var service = UnsafeRawBufferPointer(start: nil, count: 0)
        var method = UnsafeRawBufferPointer(start: nil, count: 0)
        var payload = UnsafeRawBufferPointer(start: nil, count: 0)
        /// The time until the deadline in nanoseconds: 0 if there is none, negative if it has
        /// passed.
        var timeoutNanoseconds: Int64 = 0
        var metadata: CallMetadata = []
    }

    /// Reads a request without copying its service, method and payload, which stay valid as long as
    /// `data`.
    ///
    /// This happens on every call, and the payload is by far the largest part.
    ///
    /// - Throws: a ``ProtoError`` of kind `tooLarge` if the metadata is larger than
    ///   `metadataBytesMax`, where each pair counts with its encoded size and 32 bytes, much as in
    ///   HTTP/2 (RFC 9113, section 6.5.2); one of another kind if the data is not a request.
    static func decodeRequest(
        _ data: UnsafeRawBufferPointer,
        metadataBytesMax: Int
    ) throws(ProtoError) -> Request {
        var request = Request()
        var metadataBytes = 0
        var reader = WireReader(data)
        while !reader.isAtEnd {
            switch try reader.field() {
            case (1, .bytes(let service)): request.service = try checkedText(service)
            case (2, .bytes(let method)): request.method = try checkedText(method)
            case (3, .bytes(let payload)): request.payload = payload
            case (4, .varint(let timeout)):
                request.timeoutNanoseconds = Int64(bitPattern: timeout)
            case (5, .bytes(let pair)):
                metadataBytes += 32 + pair.count
                guard metadataBytes <= metadataBytesMax else { throw ProtoError(.tooLarge) }
                request.metadata.append(try decodePair(pair))
            case (1...5, _): throw ProtoError(.malformed)
            default: break
            }
        }
        return request
    }

    private static func decodePair(
        _ data: UnsafeRawBufferPointer
    ) throws(ProtoError) -> CallMetadata.Element {
        var (key, value) = ("", "")
        var reader = WireReader(data)
        while !reader.isAtEnd {
            switch try reader.field() {
            case (1, .bytes(let text)):
                key = String(decoding: try checkedText(text), as: UTF8.self)
            case (2, .bytes(let text)):
                value = String(decoding: try checkedText(text), as: UTF8.self)
            case (1...2, _): throw ProtoError(.malformed)
            default: break
            }
        }
        return (key, .text(value))
    }

    private static func checkedText(
        _ text: UnsafeRawBufferPointer
    ) throws(ProtoError) -> UnsafeRawBufferPointer {
        if let fault = text.textFault { throw ProtoError(fault) }
        return text
    }

    /// Builds a request whose payload is the message.
    static func encodeRequest(
        service: String,
        method: String,
        timeoutNanoseconds: Int64,
        payload: ProtoMessage,
        _ arena: ProtoArena
    ) throws(ProtoError) -> ProtoMessage {
        let message = try arena.make(request)
        message.pointee.service = try arena.string(service)
        message.pointee.method = try arena.string(method)
        message.pointee.timeout_nano = timeoutNanoseconds
        let bytes = try arena.allocate(of: UInt8.self, count: payload.packedSize)
        payload.pack(to: bytes)
        message.pointee.payload.data = bytes
        message.pointee.payload.len = payload.packedSize
        return ProtoMessage(message)
    }

    /// Returns the outcome of a call: the payload, which lies in the arena, or the status that is
    /// not OK.
    static func decodeResponse(
        _ data: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws(ProtoError) -> Result<UnsafeRawBufferPointer, CallError> {
        let message = try arena.unpack(data, as: response).pointee
        if let status = message.status, status.pointee.code != 0 {
            return .failure(CallError(status.pointee, arena))
        }
        return .success(
            UnsafeRawBufferPointer(start: message.payload.data, count: message.payload.len)
        )
    }

    /// Builds a response that says why the call failed.
    static func encodeFailure(
        _ status: CallError,
        _ arena: ProtoArena
    ) throws(ProtoError) -> ProtoMessage {
        let message = try arena.make(response)
        message.pointee.status = try status.message(in: arena)
        return ProtoMessage(message)
    }

    /// The beginning of a response that contains only a payload of the given size: the tag of field
    /// 2 (length-delimited), and the length.
    ///
    /// With it, the payload itself can be packed straight into the output.
    struct PayloadPrefix {
        private static let tag: UInt8 = 2 << 3 | 2
        private let payloadBytes: Int

        init(payloadBytes: Int) { self.payloadBytes = payloadBytes }

        var bytes: Int {
            let bits = Int.bitWidth - max(payloadBytes, 1).leadingZeroBitCount
            return 1 + (bits + 6) / 7
        }

        func write(to start: UnsafeMutableRawPointer) {
            start.storeBytes(of: Self.tag, as: UInt8.self)
            var rest = payloadBytes
            for offset in 1..<bytes {
                let more: UInt8 = offset == bytes - 1 ? 0 : 0x80
                start.storeBytes(
                    of: UInt8(rest & 0x7F) | more,
                    toByteOffset: offset,
                    as: UInt8.self
                )
                rest >>= 7
            }
        }
    }
}
