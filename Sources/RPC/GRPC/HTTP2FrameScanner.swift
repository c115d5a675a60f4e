/// Finds the frame headers in a stream of HTTP/2 (RFC 9113, section 4.1), before libnghttp2 handles
/// the frames.
///
/// It does no I/O. It is needed since the library neither tells whether a frame has begun, nor
/// reports the frames that it ignores.
struct HTTP2FrameScanner {
    /// The header of a frame, without its stream.
    struct Header: Equatable {
        var length: Int
        var kind: UInt8
        var flags: UInt8
    }

    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let resetStream: UInt8 = 3
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    enum Flags {
        static let endStream: UInt8 = 1
        static let endHeaders: UInt8 = 4
    }

    private static let prefaceBytes = 24
    private static let headerBytes = 9

    private var prefaceLeft = Self.prefaceBytes
    private var payloadLeft = 0
    /// The first bytes of a header, of which `partialCount` have arrived.
    private var partial: (length: Int, kind: UInt8, flags: UInt8) = (0, 0, 0)
    private var partialCount = 0
    private var isInsideHeaders = false

    /// True once the client's connection preface has arrived and may be answered.
    var hasPreface: Bool { prefaceLeft == 0 }

    /// True if a frame, or a block of header fields in several frames, has begun that has not
    /// arrived wholly.
    var isInsideFrame: Bool { payloadLeft > 0 || partialCount > 0 || isInsideHeaders }

    /// Calls `handle` with each header that is complete with these bytes, in order.
    mutating func scan(_ bytes: UnsafeRawBufferPointer, _ handle: (Header) -> Void) {
        var position = min(prefaceLeft, bytes.count)
        prefaceLeft -= position
        while position < bytes.count {
            if payloadLeft > 0 {
                let count = min(payloadLeft, bytes.count - position)
                payloadLeft -= count
                position += count
                continue
            }
            if partialCount == 0, bytes.count - position >= Self.headerBytes {
                // Most headers arrive in one piece.
                partial.length =
                    Int(bytes[position]) << 16 | Int(bytes[position + 1]) << 8
                    | Int(bytes[position + 2])
                partial.kind = bytes[position + 3]
                partial.flags = bytes[position + 4]
                position += Self.headerBytes
                handle(takeHeader())
                continue
            }
            add(bytes[position])
            position += 1
            if partialCount == Self.headerBytes { handle(takeHeader()) }
        }
    }

    private mutating func add(_ byte: UInt8) {
        switch partialCount {
        case 0: partial.length = Int(byte)
        case 1, 2: partial.length = partial.length << 8 | Int(byte)
        case 3: partial.kind = byte
        case 4: partial.flags = byte
        // The other bytes are the stream's number, which is not needed.
        default: break
        }
        partialCount += 1
    }

    private mutating func takeHeader() -> Header {
        let header = Header(
            length: partial.length,
            kind: partial.kind,
            flags: partial.flags
        )
        partialCount = 0
        payloadLeft = header.length
        if header.kind == Kind.headers || header.kind == Kind.continuation {
            isInsideHeaders = header.flags & Flags.endHeaders == 0
        }
        return header
    }
}
