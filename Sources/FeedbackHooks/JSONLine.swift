internal import FeedbackModel
internal import Glibc

/// A buffer for one line of JSON.
struct JSONLine: ~Copyable {
    private let start: UnsafeMutableRawPointer
    private var count = 0

    /// Allocates the buffer; the caller must not write more than `bytesMax` bytes, which is not
    /// checked.
    init(bytesMax: Int) {
        // `allocate` requests an alignment, which takes several times as long.
        guard let start = malloc(bytesMax) else { preconditionFailure("there is no memory left") }
        self.start = start
    }

    deinit { free(start) }

    /// The bytes written so far; valid during the lifetime of the line.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func put(_ moment: Timestamp) {
        moment.write(to: next(Timestamp.textBytes))
        count += Timestamp.textBytes
    }

    mutating func put(_ id: FeedbackID) {
        id.writeText(to: next(FeedbackID.textBytes))
        count += FeedbackID.textBytes
    }

    mutating func put(_ number: Int64) {
        if number < 0 { put(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var bound = rest
        repeat {
            count += 1
            bound /= 10
        } while bound > 0
        var place = count
        repeat {
            place -= 1
            let digit = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            start.storeBytes(of: digit, toByteOffset: place, as: UInt8.self)
            rest /= 10
        } while rest > 0
    }

    /// Writes a JSON string.
    ///
    /// Besides the characters that JSON requires, it escapes those which a terminal or a reader of
    /// lines would take for a control character or an end of line, and those that change the
    /// direction of text: DEL, U+0080 to U+009F, U+061C, and what needs it of U+2000 to U+2FFF.
    mutating func put(quoted text: String) {
        put(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            let utf8 = UnsafeRawBufferPointer(utf8)
            if utf8.needsNoEscape { put(utf8) } else { putEscaping(utf8) }
        }
        put(UInt8(ascii: "\""))
    }

    private mutating func putEscaping(_ utf8: UnsafeRawBufferPointer) {
        var index = 0
        while index < utf8.count {
            let byte = utf8[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                put(UInt8(ascii: "\\"))
                put(byte)
            case 0..<0x20, 0x7F: putEscape(UInt16(byte))
            case 0xC2 where utf8[index] < 0xA0:
                putEscape(UInt16(utf8[index]))
                index += 1
            case 0xD8 where utf8[index] == 0x9C:
                putEscape(0x061C)
                index += 1
            case 0xE2 where Unicode.Scalar(utf8.unit(at: index))?.needsEscape == true:
                putEscape(utf8.unit(at: index))
                index += 2
            default: put(byte)
            }
        }
    }

    private mutating func putEscape(_ unit: UInt16) {
        put("\\u")
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(unit >> shift & 0xF)
            put(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10))
        }
    }

    private mutating func put(_ text: UnsafeRawBufferPointer) {
        guard let from = text.baseAddress else { return }
        memcpy(start + count, from, text.count)
        count += text.count
    }

    private mutating func put(_ byte: UInt8) {
        start.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    private func next(_ bytes: Int) -> UnsafeMutableBufferPointer<UInt8> {
        UnsafeMutableBufferPointer(
            start: (start + count).assumingMemoryBound(to: UInt8.self),
            count: bytes
        )
    }
}

extension UnsafeRawBufferPointer {
    /// Returns the code unit of a character of U+2000 to U+2FFF whose last two bytes are at the
    /// index.
    fileprivate func unit(at index: Int) -> UInt16 {
        0x2000 | UInt16(self[index] & 0x3F) << 6 | UInt16(self[index + 1] & 0x3F)
    }

    /// True if all bytes are ASCII other than control characters, quotation mark and backslash, as
    /// in nearly every text; eight bytes are examined at once.
    fileprivate var needsNoEscape: Bool {
        var index = 0
        while index + 8 <= count {
            let word = loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if word.hasByteToEscape { return false }
            index += 8
        }
        var rest: UInt64 = 0x2020_2020_2020_2020
        while index < count {
            rest = rest << 8 | UInt64(self[index])
            index += 1
        }
        return !rest.hasByteToEscape
    }
}

extension UInt64 {
    fileprivate var hasByteToEscape: Bool {
        (hasByteBelow(0x20) | (self ^ Self(repeating: 0x22)).hasByteBelow(1)
            | (self ^ Self(repeating: 0x5C)).hasByteBelow(1)
            | (self ^ Self(repeating: 0x7F)).hasByteBelow(1)
            | self & Self(repeating: 0x80)) != 0
    }

    /// Returns a value other than 0 if one of the bytes is less than `byte`, which is at most 0x80.
    ///
    /// The result for bytes of 0x80 and above does not matter here ("Bit Twiddling Hacks", Sean
    /// Eron Anderson).
    private func hasByteBelow(_ byte: UInt8) -> UInt64 {
        (self &- Self(repeating: byte)) & ~self & Self(repeating: 0x80)
    }

    private init(repeating byte: UInt8) { self = 0x0101_0101_0101_0101 &* UInt64(byte) }
}
