internal import CallStatus
internal import ProtoCodec

/// The header fields of responses in gRPC (PROTOCOL-HTTP2.md, "Responses").
enum GRPCResponse {
    /// The header before the first message.
    static let headers = HTTP2Fields([
        ":status": "200", "content-type": "application/grpc",
        "grpc-accept-encoding": "identity,gzip",
    ])
    /// The trailers of a call that succeeded.
    static let okTrailers = HTTP2Fields(["grpc-status": "0"])

    /// Returns the response to a request that is not gRPC.
    static func headers(for fault: GRPCRequestHead.HTTPFault) -> HTTP2Fields {
        switch fault {
        case .methodNotAllowed: methodNotAllowed
        case .unsupportedMediaType: unsupportedMediaType
        }
    }

    private static let methodNotAllowed = HTTP2Fields([":status": "405", "allow": "POST"])
    private static let unsupportedMediaType = HTTP2Fields([":status": "415"])

    /// Returns the trailers of a call that failed after its header was sent.
    static func trailers(
        _ status: CallError,
        bytesMax: Int,
        _ arena: ProtoArena
    ) -> HTTP2Fields {
        HTTP2Fields([:], fields(status, bytesMax: bytesMax, arena))
    }

    /// Returns the whole response of a call that failed before its header was sent.
    static func trailersOnly(
        _ status: CallError,
        bytesMax: Int,
        _ arena: ProtoArena
    ) -> HTTP2Fields {
        HTTP2Fields(
            [
                ":status": "200", "content-type": "application/grpc",
                "grpc-accept-encoding": "identity,gzip",
            ],
            fields(status, bytesMax: bytesMax, arena)
        )
    }

    private static func fields(
        _ status: CallError,
        bytesMax: Int,
        _ arena: ProtoArena
    ) -> [(name: StaticString, value: [UInt8])] {
        var fields: [(name: StaticString, value: [UInt8])] = [
            ("grpc-status", Array("\(status.code.rawValue)".utf8)),
            ("grpc-message", PercentEncoding.encode(status.message, bytesMax: bytesMax)),
        ]
        if let details = details(status, arena), details.count <= bytesMax {
            fields.append(("grpc-status-details-bin", details))
        }
        return fields
    }

    /// Returns the status as an encoded `google.rpc.Status`; nil if it has no details or they do
    /// not fit into the arena.
    private static func details(_ status: CallError, _ arena: ProtoArena) -> [UInt8]? {
        guard !status.violations.isEmpty || status.retryDelay != nil else { return nil }
        arena.reset()
        guard let message = try? status.message(in: arena) else { return nil }
        let packed = ProtoMessage(message)
        let bytes = [UInt8](unsafeUninitializedCapacity: packed.packedSize) { buffer, count in
            if let start = buffer.baseAddress { packed.pack(to: start) }
            count = packed.packedSize
        }
        return Base64.encode(bytes)
    }
}
