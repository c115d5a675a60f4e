/// Divides a stream of bytes into ttrpc frames.
///
/// It does no I/O. A frame that arrives in one piece is returned without a copy. A frame that
/// arrives in parts is collected in memory that grows with the bytes that have arrived, not with
/// the length that the header announces.
struct TTRPCFrameDecoder {
    enum Event {
        /// A whole frame.
        case frame(TTRPCFrameHeader, MessageBytes)
        /// A frame above the limit has begun; its data will be discarded as it arrives.
        case oversized(TTRPCFrameHeader)

        var header: TTRPCFrameHeader {
            switch self {
            case .frame(let header, _), .oversized(let header): header
            }
        }
    }

    /// The stream is not ttrpc, or the position within it is lost, so that nothing after this point
    /// can be understood.
    struct FramingError: Error {}

    private enum State {
        /// The decoder is between two frames, or within a header.
        case header
        case data(TTRPCFrameHeader)
        case discarding(Int)
    }

    private let frameBytesMax: Int
    private var state = State.header
    /// The part of a header, or of a frame's data, that has arrived.
    private var partial: [UInt8] = []

    init(frameBytesMax: Int) { self.frameBytesMax = frameBytesMax }

    /// The memory of the frame that has begun, in bytes.
    var heldBytes: Int { partial.count }

    /// Gives up the frame whose data arrives: the rest of it will be discarded.
    ///
    /// - Returns: the header of the frame; nil if no data of a frame was kept.
    mutating func discardFrame() -> TTRPCFrameHeader? {
        guard case .data(let header) = state else { return nil }
        state = .discarding(Int(header.dataLength) - partial.count)
        partial = []
        return header
    }

    /// True if a frame has begun that has not arrived wholly.
    var isInsideFrame: Bool {
        switch state {
        case .header: !partial.isEmpty
        case .data, .discarding: true
        }
    }

    /// Takes bytes off the front until a frame is complete.
    ///
    /// - Returns: the frame; nil once all bytes are taken.
    /// - Throws: ``FramingError`` for a length of 16 MiB or more, which no peer sends.
    mutating func next(
        _ bytes: inout UnsafeRawBufferPointer
    ) throws(FramingError) -> Event? {
        while !bytes.isEmpty {
            switch state {
            case .header:
                guard let header = try takeHeader(&bytes) else { return nil }
                let length = Int(header.dataLength)
                if length > frameBytesMax {
                    state = .discarding(length)
                    return .oversized(header)
                }
                if bytes.count >= length { return .frame(header, .borrowed(bytes.take(length))) }
                state = .data(header)
            case .data(let header):
                let length = Int(header.dataLength)
                partial += bytes.take(min(length - partial.count, bytes.count))
                guard partial.count == length else { return nil }
                let data = partial
                partial = []
                state = .header
                return .frame(header, .owned(data))
            case .discarding(let count):
                let dropped = min(count, bytes.count)
                _ = bytes.take(dropped)
                state = dropped == count ? .header : .discarding(count - dropped)
            }
        }
        return nil
    }

    /// Takes a header that begins or is completed here; returns nil if more of it is to come.
    private mutating func takeHeader(
        _ bytes: inout UnsafeRawBufferPointer
    ) throws(FramingError) -> TTRPCFrameHeader? {
        if partial.isEmpty {
            // The first byte of every permitted length is 0, so that other protocols are found at
            // once.
            if bytes[0] != 0 { throw FramingError() }
            if bytes.count >= TTRPCFrameHeader.bytes {
                return TTRPCFrameHeader(bytes.take(TTRPCFrameHeader.bytes))
            }
        }
        partial += bytes.take(min(TTRPCFrameHeader.bytes - partial.count, bytes.count))
        guard partial.count == TTRPCFrameHeader.bytes else { return nil }
        let header = partial.withUnsafeBytes { TTRPCFrameHeader($0) }
        partial = []
        return header
    }
}
