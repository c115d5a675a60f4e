/// The value of `grpc-timeout` (gRPC, PROTOCOL-HTTP2.md): at most eight digits and a unit.
enum GRPCTimeout {
    private static let digitsMax = 8

    /// Returns the duration; nil if the text is not a timeout.
    static func duration(_ text: UnsafeRawBufferPointer) -> Duration? {
        guard let unit = text.last, (1...digitsMax).contains(text.count - 1) else { return nil }
        var number: Int64 = 0
        for byte in text.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        switch unit {
        case UInt8(ascii: "H"): return .seconds(number * 3_600)
        case UInt8(ascii: "M"): return .seconds(number * 60)
        case UInt8(ascii: "S"): return .seconds(number)
        case UInt8(ascii: "m"): return .milliseconds(number)
        case UInt8(ascii: "u"): return .microseconds(number)
        case UInt8(ascii: "n"): return .nanoseconds(number)
        default: return nil
        }
    }
}
