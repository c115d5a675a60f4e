internal import CProtobufC
internal import CRPCProto
internal import ProtoCodec

/// The messages that ttrpc wraps calls in.
enum TTRPCEnvelope {
    private static let request = ProtoType(ttrpc__request__init)
    private static let response = ProtoType(ttrpc__response__init)
    private static let keyValue = ProtoType(ttrpc__key_value__init)

    /// A request as it lies in the arena.
    struct Request {
        var service: UnsafePointer<CChar>
        var method: UnsafePointer<CChar>
        var payload: UnsafeRawBufferPointer
        /// 0: no limit; less: it has passed.
        var timeoutNanoseconds: Int64
        var metadata: [(key: String, value: MetadataValue)]
    }

    static func decodeRequest(
        _ data: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws(ProtoError) -> Request {
        let message = try arena.unpack(data, as: request).pointee
        let metadata = (0..<message.n_metadata).compactMap { index in
            message.metadata[index].map {
                (String(proto: $0.pointee.key), MetadataValue.text(String(proto: $0.pointee.value)))
            }
        }
        return Request(
            service: message.service,
            method: message.method,
            payload: UnsafeRawBufferPointer(
                start: message.payload.data,
                count: message.payload.len
            ),
            timeoutNanoseconds: message.timeout_nano,
            metadata: metadata
        )
    }

    /// A request whose payload is the packed message.
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

    /// The outcome of a call: the payload as it lies in the arena, or the status that is not OK.
    static func decodeResponse(
        _ data: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws(ProtoError) -> Result<UnsafeRawBufferPointer, RPCStatus> {
        let message = try arena.unpack(data, as: response).pointee
        if let status = message.status, status.pointee.code != 0 {
            return .failure(RPCStatus(status.pointee, arena))
        }
        return .success(
            UnsafeRawBufferPointer(start: message.payload.data, count: message.payload.len)
        )
    }

    /// A response that says why the call failed.
    static func encodeFailure(
        _ status: RPCStatus,
        _ arena: ProtoArena
    ) throws(ProtoError) -> ProtoMessage {
        let message = try arena.make(response)
        message.pointee.status = try status.message(in: arena)
        return ProtoMessage(message)
    }

    /// The beginning of a response that holds nothing but a payload of that many bytes: field 2,
    /// length-delimited.
    ///
    /// So the payload itself is packed straight into the output.
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
