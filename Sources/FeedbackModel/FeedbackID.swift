/// The identifier of a stored feedback: a UUID, of version 7 if the server made it (RFC 9562).
public struct FeedbackID: Sendable, Hashable {
    /// The first eight bytes of the UUID, most significant byte first.
    public var high: UInt64
    /// The last eight bytes of the UUID, most significant byte first.
    public var low: UInt64

    /// Makes an identifier of its two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The number of bytes of the textual form.
    public static let textBytes = 36

    /// Writes the textual form, ``textBytes`` ASCII bytes in lower case, to the start of the
    /// buffer.
    ///
    /// - Precondition: the buffer has at least ``textBytes`` bytes.
    public func writeText(to buffer: UnsafeMutableBufferPointer<UInt8>) {
        precondition(buffer.count >= FeedbackID.textBytes, "the text has 36 bytes")
        let start = UnsafeMutableRawBufferPointer(buffer)
        let upperHigh = hexDigits(UInt32(truncatingIfNeeded: high >> 32))
        let lowerHigh = hexDigits(UInt32(truncatingIfNeeded: high))
        let upperLow = hexDigits(UInt32(truncatingIfNeeded: low >> 32))
        let lowerLow = hexDigits(UInt32(truncatingIfNeeded: low))
        // Each store overlaps the place of the next one, which overwrites it; the dashes come last.
        start.storeBytes(of: upperHigh, toByteOffset: 0, as: UInt64.self)
        start.storeBytes(of: lowerHigh, toByteOffset: 9, as: UInt64.self)
        start.storeBytes(of: lowerHigh.secondHalf, toByteOffset: 14, as: UInt32.self)
        start.storeBytes(of: upperLow, toByteOffset: 19, as: UInt64.self)
        start.storeBytes(of: upperLow.secondHalf, toByteOffset: 24, as: UInt32.self)
        start.storeBytes(of: lowerLow, toByteOffset: 28, as: UInt64.self)
        buffer[8] = UInt8(ascii: "-")
        buffer[13] = UInt8(ascii: "-")
        buffer[18] = UInt8(ascii: "-")
        buffer[23] = UInt8(ascii: "-")
    }
}

extension FeedbackID: LosslessStringConvertible {
    /// The textual form in lower case, such as `018d3f60-5a00-7b1c-8a2f-0123456789ab`.
    public var description: String {
        String(unsafeUninitializedCapacity: FeedbackID.textBytes) { buffer in
            writeText(to: buffer)
            return FeedbackID.textBytes
        }
    }

    /// Parses the textual form of a UUID in upper or lower case; nil if `text` is not one.
    public init?(_ text: String) {
        var halves: (UInt64, UInt64) = (0, 0)
        var digits = 0
        var position = 0
        for byte in text.utf8 {
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                guard let value = hexValue(byte) else { return nil }
                if digits < 16 {
                    halves.0 = halves.0 << 4 | value
                } else {
                    halves.1 = halves.1 << 4 | value
                }
                digits += 1
            }
            position += 1
        }
        guard position == FeedbackID.textBytes else { return nil }
        self.init(high: halves.0, low: halves.1)
    }
}

/// Returns the eight lower-case hexadecimal digits of `number` in ASCII, one in each byte; the
/// first digit is in the byte at the lowest address.
private func hexDigits(_ number: UInt32) -> UInt64 {
    var digits = UInt64(number)
    digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
    digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
    digits = (digits | digits << 4) & 0x0F0F_0F0F_0F0F_0F0F
    // Adding 6 to a byte of 10 or more carries into its bit 4.
    let isLetter = ((digits &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    let text = digits &+ 0x3030_3030_3030_3030 &+ isLetter &* 0x27
    return text.byteSwapped
}

extension UInt64 {
    /// The last four of the eight bytes, in the order in which memory holds them.
    fileprivate var secondHalf: UInt32 { UInt32(truncatingIfNeeded: self >> 32) }
}

private func hexValue(_ digit: UInt8) -> UInt64? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(digit - UInt8(ascii: "A") + 10)
    default: nil
    }
}
