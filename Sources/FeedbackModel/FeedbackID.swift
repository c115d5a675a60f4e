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
        var position = 0
        for index in 0..<16 {
            if index == 4 || index == 6 || index == 8 || index == 10 {
                buffer[position] = UInt8(ascii: "-")
                position += 1
            }
            let half = index < 8 ? high : low
            let byte = UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * (index % 8)))
            buffer[position] = hexDigit(byte >> 4)
            buffer[position + 1] = hexDigit(byte & 15)
            position += 2
        }
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

private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

private func hexValue(_ digit: UInt8) -> UInt64? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(digit - UInt8(ascii: "A") + 10)
    default: nil
    }
}
