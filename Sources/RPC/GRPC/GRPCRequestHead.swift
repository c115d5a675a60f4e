internal import CallStatus

/// The header of a gRPC request (PROTOCOL-HTTP2.md, "Requests"), collected field by field.
///
/// It does no I/O.
struct GRPCRequestHead {
    /// The reason why a request cannot be answered with a gRPC status.
    enum HTTPFault { case methodNotAllowed, unsupportedMediaType }

    private(set) var method: Router.Method?
    private(set) var timeout: Duration?
    /// True if messages may be compressed with gzip.
    private(set) var isGzip = false
    private(set) var metadata: CallMetadata = []
    /// The memory of ``metadata``, in bytes.
    private(set) var metadataBytes = 0
    /// The first fault of the header; nil if there is none.
    private(set) var fault: CallError?
    private var isPost = false
    private var hasContentType = false
    private var listBytes = 0
    private var isTooLarge = false

    /// The fault that must be answered with an HTTP status; nil if there is none.
    var httpFault: HTTPFault? {
        // The fields that decide this may not have been kept, and a gRPC status gives the reason.
        if isTooLarge { return nil }
        if !isPost { return .methodNotAllowed }
        return hasContentType ? nil : .unsupportedMediaType
    }

    /// Takes a field; beyond the limit of the header's size, no field is kept.
    mutating func add(
        name: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer,
        router: Router,
        listBytesMax: Int
    ) {
        // The size is counted as in HTTP/2 (RFC 9113, section 6.5.2).
        listBytes += name.count + value.count + 32
        guard listBytes <= listBytesMax else {
            if !isTooLarge {
                isTooLarge = true
                metadata = []
                metadataBytes = 0
                fault = .headerTooLarge(listBytesMax)
            }
            return
        }
        if name.first == UInt8(ascii: ":") {
            addPseudoHeader(name, value, router)
        } else if !addCallDefinition(name, value) {
            addMetadata(name, value)
        }
    }

    private mutating func addPseudoHeader(
        _ name: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer,
        _ router: Router
    ) {
        if name.equals(":path") {
            do {
                method = try router.method(path: value)
            } catch {
                note(error)
            }
        } else if name.equals(":method") {
            isPost = value.equals("POST")
        }
    }

    /// Takes a field that gRPC itself defines; returns false for any other.
    private mutating func addCallDefinition(
        _ name: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer
    ) -> Bool {
        // The lengths distinguish most names without a comparison.
        switch name.count {
        case 2: return name.equals("te")
        case 10: return name.equals("user-agent")
        case 12 where name.equals("content-type"):
            hasContentType = isGRPC(contentType: value)
        case 12 where name.equals("grpc-timeout"):
            timeout = GRPCTimeout.duration(value)
            if timeout == nil {
                note(
                    CallError(
                        .invalidArgument,
                        "grpc-timeout must be up to 8 digits and one of H, M, S, m, u, n"
                    )
                )
            }
        case 13 where name.equals("grpc-encoding"):
            isGzip = value.equals("gzip")
            if !isGzip, !value.equals("identity") {
                note(
                    CallError(
                        .unimplemented,
                        "the grpc-encoding is not known: identity and gzip are accepted"
                    )
                )
            }
        case 14: return name.equals("content-length")
        case 17: return name.equals("grpc-message-type")
        case 20: return name.equals("grpc-accept-encoding")
        default: return false
        }
        return true
    }

    private mutating func addMetadata(
        _ name: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer
    ) {
        let key = String(decoding: name, as: UTF8.self)
        metadataBytes += name.count + value.count + 32
        guard key.hasSuffix("-bin") else {
            metadata.append((key, .text(String(decoding: value, as: UTF8.self))))
            return
        }
        // Values of one key may have been joined with commas (PROTOCOL-HTTP2.md,
        // "Custom-Metadata").
        for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard let bytes = Base64.decode(part) else {
                note(CallError(.invalidArgument, "the metadata \(key) must be Base64"))
                return
            }
            metadata.append((key, .binary(bytes)))
        }
    }

    /// Returns true for `application/grpc`, alone, with parameters, or with protobuf named.
    private func isGRPC(contentType: UnsafeRawBufferPointer) -> Bool {
        let type = contentType.prefix { $0 != UInt8(ascii: ";") }
        let text = UnsafeRawBufferPointer(rebasing: type)
        return text.equals("application/grpc") || text.equals("application/grpc+proto")
    }

    private mutating func note(_ status: CallError) { if fault == nil { fault = status } }
}

extension CallError {
    fileprivate static func headerTooLarge(_ bytesMax: Int) -> CallError {
        CallError(.resourceExhausted, "the header fields have more than \(bytesMax) bytes")
    }
}
