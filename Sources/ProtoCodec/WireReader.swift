/// Reads the encoded fields of a message one after the other (protobuf.dev, "Encoding").
///
/// It allocates nothing and does not know the message's type.
public struct WireReader {
    /// The content of a field.
    public enum Value {
        /// An integer, a bool or an enum value.
        case varint(UInt64)
        /// A string, bytes, a message, or packed numbers.
        case bytes(UnsafeRawBufferPointer)
        /// A number of four or eight bytes, which is skipped.
        case fixed
    }

    private let message: UnsafeRawBufferPointer
    /// The number of bytes that have been read.
    public private(set) var position = 0

    /// Makes a reader at the first field.
    public init(_ message: UnsafeRawBufferPointer) { self.message = message }

    /// The bytes from the position to the reader's own.
    func bytes(from start: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: message[start..<position])
    }

    /// True if there is no further field.
    public var isAtEnd: Bool { position == message.count }

    /// Reads the next field.
    ///
    /// - Throws: a ``ProtoError`` of kind `malformed`, also for groups, which proto3 does not have.
    public mutating func field() throws(ProtoError) -> (number: UInt32, value: Value) {
        let tag = try varint()
        guard tag >> 3 != 0, tag >> 32 == 0 else { throw ProtoError(.malformed) }
        let number = UInt32(tag >> 3)
        switch tag & 7 {
        case 0: return (number, .varint(try varint()))
        case 1: _ = try bytes(8)
        case 2: return (number, .bytes(try bytes(try varint())))
        case 5: _ = try bytes(4)
        default: throw ProtoError(.malformed)
        }
        return (number, .fixed)
    }

    /// Reads an integer, such as an element of a packed field.
    mutating func varint() throws(ProtoError) -> UInt64 {
        guard !isAtEnd else { throw ProtoError(.malformed) }
        let first = message[position]
        position += 1
        return first < 0x80 ? UInt64(first) : try varint(beginning: first)
    }

    private mutating func varint(beginning first: UInt8) throws(ProtoError) -> UInt64 {
        var value = UInt64(first & 0x7F)
        // Ten bytes of seven bits hold 64 bits.
        for index in 1..<10 where !isAtEnd {
            let byte = message[position]
            position += 1
            value |= UInt64(byte & 0x7F) << UInt64(7 * index)
            if byte < 0x80 { return value }
        }
        throw ProtoError(.malformed)
    }

    private mutating func bytes(_ count: UInt64) throws(ProtoError) -> UnsafeRawBufferPointer {
        guard count <= UInt64(message.count - position) else { throw ProtoError(.malformed) }
        defer { position += Int(count) }
        return UnsafeRawBufferPointer(rebasing: message[position..<position + Int(count)])
    }
}
