/// Cuts a stream of bytes into ttrpc frames.
///
/// Does no I/O.
///
/// A frame that arrives in one piece is lent out where it lies; only frames that arrive in parts are
/// collected, in memory that grows with what has arrived, not with what the header promises.
struct TTRPCFrameDecoder {
    /// What the bytes turn out to be.
    enum Event {
        /// A whole frame; the data is valid during the call only.
        case frame(TTRPCFrameHeader, UnsafeRawBufferPointer)
        /// A frame above the limit begins. Its data will be thrown away as it arrives.
        case oversized(TTRPCFrameHeader)
    }

    /// The stream is not ttrpc, or lost its place: nothing after this point can be understood.
    struct Desynchronised: Error {}

    private enum State {
        /// Collects a header, or is between two frames.
        case header
        case data(TTRPCFrameHeader)
        case discarding(Int)
    }

    private let frameBytesMax: Int
    private var state = State.header
    /// The part of a header, or of a frame's data, that has arrived.
    private var partial: [UInt8] = []

    init(frameBytesMax: Int) { self.frameBytesMax = frameBytesMax }

    /// Whether a frame has begun and not ended.
    var isInsideFrame: Bool {
        if case .header = state { return !partial.isEmpty }
        return true
    }

    /// Hands every frame that is complete with these bytes to `handle`, in order, as long as that
    /// returns true.
    ///
    /// - Returns: how many bytes were used; the others must be given again first.
    /// - Throws: ``Desynchronised`` for a length of 16 MiB or more, which no peer sends.
    mutating func decode(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (Event) -> Bool
    ) throws(Desynchronised) -> Int {
        var rest = bytes
        var goOn = true
        let handle = { (event: Event) in goOn = handle(event) }
        while goOn, !rest.isEmpty {
            switch state {
            case .header: try decodeHeader(&rest, handle)
            case .data(let header): collectData(of: header, &rest, handle)
            case .discarding(let count):
                let dropped = min(count, rest.count)
                _ = rest.take(dropped)
                state = dropped == count ? .header : .discarding(count - dropped)
            }
        }
        return bytes.count - rest.count
    }

    private mutating func decodeHeader(
        _ rest: inout UnsafeRawBufferPointer,
        _ handle: (Event) -> Void
    ) throws(Desynchronised) {
        // The first byte of a length within reason is 0: what is not ttrpc is seen at once.
        if partial.isEmpty, rest[0] != 0 { throw Desynchronised() }
        let header: TTRPCFrameHeader
        if partial.isEmpty, rest.count >= TTRPCFrameHeader.bytes {
            header = TTRPCFrameHeader(rest.take(TTRPCFrameHeader.bytes))
        } else {
            partial += rest.take(min(TTRPCFrameHeader.bytes - partial.count, rest.count))
            guard partial.count == TTRPCFrameHeader.bytes else { return }
            header = partial.withUnsafeBytes { TTRPCFrameHeader($0) }
            partial = []
        }
        let length = Int(header.dataLength)
        if length > frameBytesMax {
            state = .discarding(length)
            handle(.oversized(header))
        } else if rest.count >= length {
            handle(.frame(header, rest.take(length)))
        } else {
            state = .data(header)
        }
    }

    private mutating func collectData(
        of header: TTRPCFrameHeader,
        _ rest: inout UnsafeRawBufferPointer,
        _ handle: (Event) -> Void
    ) {
        let length = Int(header.dataLength)
        partial += rest.take(min(length - partial.count, rest.count))
        guard partial.count == length else { return }
        let data = partial
        partial = []
        state = .header
        data.withUnsafeBytes { handle(.frame(header, $0)) }
    }
}

extension UnsafeRawBufferPointer {
    /// Cuts off the first bytes.
    fileprivate mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
        defer { self = UnsafeRawBufferPointer(rebasing: self[count...]) }
        return UnsafeRawBufferPointer(rebasing: self[..<count])
    }
}
