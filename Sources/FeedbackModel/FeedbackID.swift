/// The name of a stored feedback: a UUID, of version 7 when the server made it (RFC 9562).
public struct FeedbackID: Sendable, Hashable {
    /// The first eight bytes, most significant first.
    public var high: UInt64
    /// The last eight bytes.
    public var low: UInt64

    /// Makes an identifier of its two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// How many bytes the text has.
    public static let textBytes = 36

    /// Writes the text, ``textBytes`` lower-case ASCII bytes, to the buffer's beginning.
    public func writeText(to buffer: UnsafeMutableBufferPointer<UInt8>) {
        precondition(buffer.count >= FeedbackID.textBytes, "the text has 36 bytes")
        let start = UnsafeMutableRawBufferPointer(buffer)
        let upperHigh = hexDigits(UInt32(truncatingIfNeeded: high >> 32))
        let lowerHigh = hexDigits(UInt32(truncatingIfNeeded: high))
        let upperLow = hexDigits(UInt32(truncatingIfNeeded: low >> 32))
        let lowerLow = hexDigits(UInt32(truncatingIfNeeded: low))
        // Each covers some of what the next writes; the dashes come last.
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
    /// The text, like `018d3f60-5a00-7b1c-8a2f-0123456789ab`.
    public var description: String {
        String(unsafeUninitializedCapacity: FeedbackID.textBytes) { buffer in
            writeText(to: buffer)
            return FeedbackID.textBytes
        }
    }

    /// Reads the text of a UUID, upper or lower case; nil if it is none.
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

/// The eight lower-case digits of a number, all worked out at once, each in a byte of its own; the
/// first in the byte that memory holds first.
private func hexDigits(_ number: UInt32) -> UInt64 {
    var digits = UInt64(number)
    digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
    digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
    digits = (digits | digits << 4) & 0x0F0F_0F0F_0F0F_0F0F
    // A byte of 10 or more carries into its bit 4 when 6 is added.
    let isLetter = ((digits &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    let text = digits &+ 0x3030_3030_3030_3030 &+ isLetter &* 0x27
    return text.byteSwapped
}

extension UInt64 {
    /// What memory holds after the first four bytes.
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
