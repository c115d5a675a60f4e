/// Divides the data of a stream into gRPC's length-prefixed messages (PROTOCOL-HTTP2.md).
///
/// It does no I/O. A message that arrives in one piece is returned without a copy. A message that
/// arrives in parts is collected in memory that grows with the bytes that have arrived, not with
/// the length that the prefix announces.
struct GRPCMessageDecoder {
    /// An error after which nothing of the stream can be understood.
    enum Failure: Error, Equatable {
        /// The message has the given number of bytes, which is above the limit.
        case tooLarge(Int)
        /// The first byte of a message is the given one instead of 0 or 1.
        case unknownFlag(UInt8)
    }

    /// A whole message.
    struct Message {
        var bytes: MessageBytes
        var isCompressed: Bool
    }

    static let prefixBytes = 5

    private let messageBytesMax: Int
    private var prefix: (length: Int, isCompressed: Bool) = (0, false)
    private var prefixCount = 0
    /// The part of a message that has arrived.
    private var partial: [UInt8] = []
    private var failure: Failure?

    init(messageBytesMax: Int) { self.messageBytesMax = messageBytesMax }

    /// True if a message has begun that has not arrived wholly.
    var isInsideMessage: Bool { prefixCount > 0 }

    /// The number of bytes that are missing of the message that has begun, or of its prefix.
    var missingBytes: Int {
        prefixCount < Self.prefixBytes
            ? Self.prefixBytes - prefixCount : prefix.length - partial.count
    }

    /// The memory of the message that has begun, in bytes.
    var heldBytes: Int { partial.count }

    /// Takes bytes off the front until a message is complete.
    ///
    /// - Returns: the message; nil once all bytes are taken.
    /// - Throws: a ``Failure``, before anything of the message is collected, and on each later
    ///   call.
    mutating func next(_ bytes: inout UnsafeRawBufferPointer) throws(Failure) -> Message? {
        if let failure { throw failure }
        while prefixCount < Self.prefixBytes {
            guard !bytes.isEmpty else { return nil }
            try addToPrefix(bytes.take(1)[0])
        }
        let part = bytes.take(min(prefix.length - partial.count, bytes.count))
        if part.count == prefix.length {
            prefixCount = 0
            return Message(bytes: .borrowed(part), isCompressed: prefix.isCompressed)
        }
        partial += part
        guard partial.count == prefix.length else { return nil }
        let message = partial
        partial = []
        prefixCount = 0
        return Message(bytes: .owned(message), isCompressed: prefix.isCompressed)
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
