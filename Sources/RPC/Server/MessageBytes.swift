/// The bytes of a whole message or frame, as a decoder hands them over.
enum MessageBytes {
    /// They arrived in one piece, and lie in the input: valid until the next input.
    case borrowed(UnsafeRawBufferPointer)
    /// They arrived in parts.
    case owned([UInt8])

    /// Returns the bytes for keeping; lent ones are copied.
    var copy: [UInt8] {
        switch self {
        case .borrowed(let bytes): Array(bytes)
        case .owned(let bytes): bytes
        }
    }

    /// Calls `body` with the bytes, which are valid during the call only.
    func withBytes<Value, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        switch self {
        case .borrowed(let bytes): return try body(bytes)
        case .owned(let bytes):
            // `withUnsafeBytes` rethrows without a type.
            let outcome = bytes.withUnsafeBytes { bytes in
                Result { () throws(Failure) in try body(bytes) }
            }
            return try outcome.get()
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Removes the first `count` bytes and returns them.
    mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
        defer { self = UnsafeRawBufferPointer(rebasing: self[count...]) }
        return UnsafeRawBufferPointer(rebasing: self[..<count])
    }
}
