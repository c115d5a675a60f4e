/// Cuts the data of a stream into gRPC's length-prefixed messages (PROTOCOL-HTTP2.md).
///
/// Does no I/O.
///
/// A message that arrives in one piece is lent out where it lies; only one that arrives in parts is
/// collected, in memory that grows with what has arrived, not with what the prefix promises.
struct GRPCMessageDecoder {
    /// Why nothing after this point can be understood.
    enum Failure: Error, Equatable {
        /// The message has that many bytes, more than the limit.
        case tooLarge(Int)
        /// The first byte of a message is neither 0 nor 1.
        case unknownFlag(UInt8)
    }

    /// A whole message.
    enum Message {
        /// It arrived in one piece, and lies in the bytes that were decoded.
        case lent(UnsafeRawBufferPointer)
        case collected([UInt8])

        /// Its bytes, to keep.
        var copy: [UInt8] {
            switch self {
            case .lent(let bytes): Array(bytes)
            case .collected(let bytes): bytes
            }
        }
    }

    static let prefixBytes = 5

    private let messageBytesMax: Int
    private var prefix: (length: Int, isCompressed: Bool) = (0, false)
    private var prefixCount = 0
    /// The part of a message that has arrived.
    private var partial: [UInt8] = []
    private var failure: Failure?

    init(messageBytesMax: Int) { self.messageBytesMax = messageBytesMax }

    /// Whether a message has begun and not ended.
    var isInsideMessage: Bool { prefixCount > 0 }

    /// What has not arrived yet of the message that has begun, or of its prefix.
    var missingBytes: Int {
        prefixCount < Self.prefixBytes
            ? Self.prefixBytes - prefixCount : prefix.length - partial.count
    }

    /// The memory of the message that has begun.
    var heldBytes: Int { partial.count }

    /// Hands every message that is complete with these bytes to `handle`, in order, and whether it
    /// is compressed.
    ///
    /// - Throws: the ``Failure``, before anything of the message is collected, and ever after.
    mutating func decode(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (_ message: Message, _ isCompressed: Bool) -> Void
    ) throws(Failure) {
        if let failure { throw failure }
        var rest = bytes
        while true {
            while prefixCount < Self.prefixBytes {
                guard let byte = rest.first else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
                try addToPrefix(byte)
            }
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(prefix.length - partial.count))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            if part.count == prefix.length {
                prefixCount = 0
                handle(.lent(part), prefix.isCompressed)
                continue
            }
            partial += part
            guard partial.count == prefix.length else { return }
            let message = partial
            partial = []
            prefixCount = 0
            handle(.collected(message), prefix.isCompressed)
        }
    }

    private mutating func addToPrefix(_ byte: UInt8) throws(Failure) {
        if prefixCount == 0 {
            guard byte <= 1 else { throw failed(.unknownFlag(byte)) }
            prefix = (0, byte == 1)
        } else {
            prefix.length = prefix.length << 8 | Int(byte)
        }
        prefixCount += 1
        if prefixCount == Self.prefixBytes, prefix.length > messageBytesMax {
            throw failed(.tooLarge(prefix.length))
        }
    }

    private mutating func failed(_ failure: Failure) -> Failure {
        self.failure = failure
        return failure
    }
}
