internal import Glibc

/// A text that is equal to another only if both have the same bytes.
///
/// Swift's `String` compares by canonical equivalence: "é" equals "e" with a combining accent, and
/// a dictionary keyed by `String` would keep only one of two sessions that databases and callers
/// distinguish.
package struct ExactText: Sendable, Hashable {
    /// The wrapped text.
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package static func == (a: ExactText, b: ExactText) -> Bool {
        a.text.utf8.count == b.text.utf8.count
            && a.text.withUTF8Bytes { a in
                b.text.withUTF8Bytes { b in
                    guard let start = a.baseAddress, let other = b.baseAddress else { return true }
                    return memcmp(start, other, a.count) == 0
                }
            }
    }

    package func hash(into hasher: inout Hasher) {
        text.withUTF8Bytes { hasher.combine(bytes: $0) }
        hasher.combine(0xFF as UInt8)
    }
}

extension String {
    /// Calls `body` with the UTF-8 bytes, without a copy if they are contiguous; the pointer is
    /// valid only during the call.
    @inlinable
    package func withUTF8Bytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) }
            ?? Array(utf8).withUnsafeBytes(body)
    }

    /// The number of code points; equal to `unicodeScalars.count` but faster.
    package var codePointCount: Int {
        withUTF8Bytes { bytes in
            // Every byte but the continuation bytes, 10xxxxxx, begins a code point; eight bytes are
            // examined at once.
            var count = bytes.count
            var index = 0
            while index + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let continuations = (word >> 7) & ~(word >> 6) & 0x0101_0101_0101_0101
                // The product's most significant byte is the sum of all bytes.
                count &-= Int(truncatingIfNeeded: (continuations &* 0x0101_0101_0101_0101) >> 56)
                index += 8
            }
            while index < bytes.count {
                if Int8(bitPattern: bytes[index]) < -64 { count &-= 1 }
                index += 1
            }
            return count
        }
    }

    /// True if the text contains the NUL character.
    package var containsNUL: Bool {
        withUTF8Bytes { bytes in
            guard let start = bytes.baseAddress else { return false }
            return memchr(start, 0, bytes.count) != nil
        }
    }
}
