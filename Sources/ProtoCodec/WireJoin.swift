internal import CProtobufC

/// Joins the parts in which messages inside of a message may come on the wire.
///
/// A field that is a message and not repeated may occur more than once; its value is what all its
/// occurrences together encode (protobuf.dev, "Encoding", "Last One Wins"). protobuf-c 1.4 merges
/// decoded messages instead, and loses numbers and enum values. The bytes are therefore rewritten
/// with one occurrence of each such field, behind all other fields. Of a oneof, only the parts since
/// its last other member count.
struct WireJoin {
    /// The maximum number of parts beyond the first ones, of all messages inside of one message.
    static let partsMax = 65_536

    /// The parts of one message, in order.
    private typealias Parts = [UnsafeRawBufferPointer]

    private struct Pending {
        let field: UnsafePointer<ProtobufCFieldDescriptor>
        var parts: Parts
    }

    private let output: UnsafeMutableRawBufferPointer
    private var count = 0
    private var furtherParts = 0

    private init(output: UnsafeMutableRawBufferPointer) { self.output = output }

    /// Returns the encoding of the same message without parts, in the arena.
    ///
    /// The bytes have passed ``WireCheck``, which bounds the depth of the recursion.
    ///
    /// - Throws: a ``ProtoError`` of kind `tooLarge` if there is no memory left in the arena, or if
    ///   there are more than ``partsMax`` further parts.
    static func join(
        _ bytes: UnsafeRawBufferPointer,
        of type: UnsafePointer<ProtobufCMessageDescriptor>,
        in arena: ProtoArena
    ) throws(ProtoError) -> UnsafeRawBufferPointer {
        // The result is never longer: of several tags and lengths one is left, and the length of
        // all parts takes at most as many bytes as theirs together.
        let memory = try arena.allocate(of: UInt8.self, count: bytes.count)
        var join = WireJoin(
            output: UnsafeMutableRawBufferPointer(start: memory, count: bytes.count)
        )
        try join.write([bytes], of: type)
        return UnsafeRawBufferPointer(start: memory, count: join.count)
    }

    /// Writes the fields of a message that comes in parts.
    private mutating func write(
        _ parts: Parts,
        of type: UnsafePointer<ProtobufCMessageDescriptor>
    ) throws(ProtoError) {
        var pending: [Pending] = []
        for part in parts {
            var reader = WireReader(part)
            while !reader.isAtEnd {
                let start = reader.position
                let (number, value) = try reader.field()
                let field = protobuf_c_message_descriptor_get_field(type, number)
                if let field {
                    pending.removeAll { $0.field != field && $0.field.isAlternative(to: field) }
                }
                guard let field, field.pointee.type == PROTOBUF_C_TYPE_MESSAGE,
                    case .bytes(let content) = value
                else {
                    copy(reader.bytes(from: start))
                    continue
                }
                if !field.isSingularMessage {
                    try write([content], as: field)
                } else if let index = pending.firstIndex(where: { $0.field == field }) {
                    furtherParts += 1
                    guard furtherParts <= Self.partsMax else { throw ProtoError(.tooLarge) }
                    pending[index].parts.append(content)
                } else {
                    pending.append(Pending(field: field, parts: [content]))
                }
            }
        }
        for message in pending { try write(message.parts, as: message.field) }
    }

    /// Writes one field with the message that comes in parts.
    private mutating func write(
        _ parts: Parts,
        as field: UnsafePointer<ProtobufCFieldDescriptor>
    ) throws(ProtoError) {
        let tag = UInt64(field.pointee.id) << 3 | 2
        put(tag, bytes: Self.varintBytes(tag))
        // The message may turn out shorter than its parts; its length is padded then.
        let lengthBytes = Self.varintBytes(UInt64(parts.reduce(0) { $0 + $1.count }))
        let lengthAt = count
        count += lengthBytes
        try write(parts, of: field.messageType)
        let end = count
        count = lengthAt
        put(UInt64(end - lengthAt - lengthBytes), bytes: lengthBytes)
        count = end
    }

    private mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: output[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    /// Writes an integer as a varint of the given number of bytes.
    private mutating func put(_ value: UInt64, bytes: Int) {
        for index in 0..<bytes {
            let more: UInt8 = index == bytes - 1 ? 0 : 0x80
            output[count] = UInt8(value >> UInt64(7 * index) & 0x7F) | more
            count += 1
        }
    }

    private static func varintBytes(_ value: UInt64) -> Int {
        (UInt64.bitWidth - max(value, 1).leadingZeroBitCount + 6) / 7
    }
}

extension UnsafePointer<ProtobufCFieldDescriptor> {
    /// Returns true if both fields are members of the same oneof.
    fileprivate func isAlternative(to other: Self) -> Bool {
        let flag = UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue)
        // Members of a oneof share the place that says which of them is set.
        return pointee.flags & flag != 0 && other.pointee.flags & flag != 0
            && pointee.quantifier_offset == other.pointee.quantifier_offset
    }
}
