internal import CProtobufC

/// Checks the bytes of a message for faults that protobuf-c 1.4 does not detect: unlimited nesting
/// (10,000 levels overflow its stack), text that is not UTF-8 or contains NUL (at which C strings
/// end), and unknown enum values.
///
/// Nothing is allocated.
enum WireCheck {
    /// The maximum nesting depth of messages.
    ///
    /// Metadata of 16 levels needs three messages for each level.
    static let depthMax = 64

    /// Checks a message and returns true if it has to be joined before protobuf-c decodes it (see
    /// ``WireJoin``): a field of it, or of a message inside of it, that is a message and not
    /// repeated occurs more than once.
    ///
    /// The refused fields are those of the message, or of the messages in its field `parent`.
    static func check(
        _ bytes: UnsafeRawBufferPointer,
        against type: UnsafePointer<ProtobufCMessageDescriptor>,
        refusing refused: ProtoFieldNumbers = [],
        inside parent: UInt32? = nil,
        depth: Int = 1
    ) throws(ProtoError) -> Bool {
        guard depth <= depthMax else { throw ProtoError(.tooDeep) }
        var isInParts = false
        // The messages seen so far, by the index of their field.
        var seen: UInt64 = 0
        var reader = WireReader(bytes)
        while !reader.isAtEnd {
            let (number, value) = try reader.field()
            guard let field = protobuf_c_message_descriptor_get_field(type, number) else {
                continue
            }
            if parent == nil, refused.contains(number) {
                throw ProtoError(.refusedField, field: String(cString: field.pointee.name))
            }
            switch value {
            case .varint(let value): try checkEnum(value, field)
            case .bytes(let content):
                let refused = number == parent ? refused : []
                if try check(content, of: field, refusing: refused, depth: depth) {
                    isInParts = true
                }
                if field.isSingularMessage {
                    // A field beyond the 64th counts as seen: joining changes nothing then.
                    let index = field - type.pointee.fields
                    let bit: UInt64 = index < 64 ? 1 << UInt64(index) : 0
                    if seen & bit == bit { isInParts = true }
                    seen |= bit
                }
            case .fixed: break
            }
        }
        return isInParts
    }

    private static func check(
        _ content: UnsafeRawBufferPointer,
        of field: UnsafePointer<ProtobufCFieldDescriptor>,
        refusing refused: ProtoFieldNumbers,
        depth: Int
    ) throws(ProtoError) -> Bool {
        switch field.pointee.type {
        case PROTOBUF_C_TYPE_STRING:
            if let fault = content.textFault {
                throw ProtoError(fault, field: String(cString: field.pointee.name))
            }
        case PROTOBUF_C_TYPE_MESSAGE:
            let type = field.messageType
            do throws(ProtoError) {
                return try check(content, against: type, refusing: refused, depth: depth + 1)
            } catch {
                let parent = String(cString: field.pointee.name)
                // Callers do not know the field names inside of protobuf's own types.
                let isWellKnown = String(cString: type.pointee.package_name) == "google.protobuf"
                throw isWellKnown ? ProtoError(error.kind, field: parent) : error.inside(parent)
            }
        case PROTOBUF_C_TYPE_ENUM:
            var packed = WireReader(content)
            while !packed.isAtEnd { try checkEnum(try packed.varint(), field) }
        default: break
        }
        return false
    }

    private static func checkEnum(
        _ value: UInt64,
        _ field: UnsafePointer<ProtobufCFieldDescriptor>
    ) throws(ProtoError) {
        guard field.pointee.type == PROTOBUF_C_TYPE_ENUM else { return }
        let type = field.pointee.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self)
        // Negative numbers are encoded as 64 bits; an enum is an int32.
        let number = Int32(truncatingIfNeeded: value)
        let isInt32 = value == UInt64(bitPattern: Int64(number))
        if !isInt32 || protobuf_c_enum_descriptor_get_value(type, number) == nil {
            throw ProtoError(.unknownEnumValue, field: String(cString: field.pointee.name))
        }
    }
}

extension UnsafePointer<ProtobufCFieldDescriptor> {
    /// True if the field is a message and not repeated, so that protobuf merges its occurrences.
    var isSingularMessage: Bool {
        pointee.type == PROTOBUF_C_TYPE_MESSAGE && pointee.label != PROTOBUF_C_LABEL_REPEATED
    }

    /// The type of the messages in a field of messages.
    var messageType: UnsafePointer<ProtobufCMessageDescriptor> {
        pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
    }
}

extension UnsafeRawBufferPointer {
    /// The fault for which the bytes are not text of a C string: ``ProtoError/Kind/invalidUTF8`` or
    /// ``ProtoError/Kind/containsNUL``; nil if there is none.
    public var textFault: ProtoError.Kind? {
        // Eight bytes are examined at once. A byte of a word is 0 only if subtracting 1 from each
        // byte borrows into its highest bit ("Bit Twiddling Hacks", S. E. Anderson: "Determine if a
        // word has a zero byte").
        var allBits: UInt64 = 0
        var borrows: UInt64 = 0
        var rest = self
        while rest.count >= 8 {
            let word = rest.loadUnaligned(as: UInt64.self)
            allBits |= word
            borrows |= (word &- 0x0101_0101_0101_0101) & ~word
            rest = UnsafeRawBufferPointer(rebasing: rest[8...])
        }
        for byte in rest {
            allBits |= UInt64(byte)
            borrows |= byte == 0 ? 0x80 : 0
        }
        let highBits: UInt64 = 0x8080_8080_8080_8080
        if borrows & highBits != 0 { return .containsNUL }
        if allBits & highBits == 0 { return nil }
        let isValid = (try? UTF8Span(validating: bindMemory(to: UInt8.self).span)) != nil
        return isValid ? nil : .invalidUTF8
    }
}
