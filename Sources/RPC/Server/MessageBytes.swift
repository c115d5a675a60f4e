internal import Glibc

/// The bytes of a whole message or frame, as a decoder returns them.
enum MessageBytes {
    /// The message arrived in one piece: the bytes lie in the input, and are valid until the next
    /// input.
    case borrowed(UnsafeRawBufferPointer)
    /// The message arrived in parts, which have been joined in memory of their own.
    case owned([UInt8])

    /// The bytes in memory of their own; borrowed bytes are copied.
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

    /// Returns true if the bytes are those of the text.
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let start = baseAddress else { return false }
        return memcmp(start, text.utf8Start, count) == 0
    }
}
