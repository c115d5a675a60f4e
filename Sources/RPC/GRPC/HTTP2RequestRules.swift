internal import CNGHTTP2

/// The rules of HTTP/2 for the fields of one request, or of its trailers (RFC 9113, sections 8.2
/// and 8.3).
///
/// libnghttp2 has these rules too, and in addition resets requests whose `:authority` is missing or
/// is not a host, like the path of a Unix socket, which gRPC clients send. It can only drop its
/// rules as a whole; those of the characters come from its functions. It does no I/O.
struct HTTP2RequestRules {
    /// The decision about a field.
    enum Verdict {
        case take
        /// The field has characters that no field may have, and is passed over, as libnghttp2 does.
        case ignore
        /// The request is malformed, and its stream must be reset.
        case malformed
    }

    /// The fields that may come once only.
    private struct Once: OptionSet {
        var rawValue: UInt8

        static let method = Once(rawValue: 1)
        static let scheme = Once(rawValue: 2)
        static let path = Once(rawValue: 4)
        static let authority = Once(rawValue: 8)
        static let host = Once(rawValue: 16)
        static let contentLength = Once(rawValue: 32)
    }

    private var seen: Once = []
    private var isConnect = false
    /// True while pseudo-header fields may come, which is before all others.
    private var takesPseudoHeaders: Bool
    /// The length of the body that the request announces; nil if it announces none.
    private(set) var contentLength: Int?

    /// Makes the rules for the header of a request, or for its trailers.
    init(isTrailer: Bool) { takesPseudoHeaders = !isTrailer }

    /// True if a header has all the pseudo-header fields that its method needs.
    var isComplete: Bool {
        isConnect
            ? seen.isDisjoint(with: [.scheme, .path])
            : seen.isSuperset(of: [.method, .scheme, .path])
    }

    /// Checks the next field.
    mutating func check(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Verdict {
        guard name.first != UInt8(ascii: ":") else {
            return takesPseudoHeaders && isPseudoHeader(name, value) ? .take : .malformed
        }
        takesPseudoHeaders = false
        guard Self.accepts(name, nghttp2_check_header_name) else {
            // A capital letter alone makes a request malformed.
            return name.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
                ? .malformed : .ignore
        }
        guard isAllowed(name, value) else { return .malformed }
        return Self.accepts(value, nghttp2_check_header_value_rfc9113) ? .take : .ignore
    }

    private mutating func isPseudoHeader(
        _ name: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer
    ) -> Bool {
        switch name.count {
        case 5 where name.equals(":path"):
            let first = value.first
            return isFirst(.path) && Self.accepts(value, nghttp2_check_path)
                && (first == UInt8(ascii: "/") || value.equals("*"))
        case 7 where name.equals(":method"):
            isConnect = value.equals("CONNECT")
            return isFirst(.method) && Self.accepts(value, nghttp2_check_method)
        case 7 where name.equals(":scheme"):
            return isFirst(.scheme) && !value.isEmpty
                && Self.accepts(value, nghttp2_check_header_value_rfc9113)
        // Every text is an authority: the socket alone says who is asked.
        case 10 where name.equals(":authority"):
            return isFirst(.authority)
                && Self.accepts(value, nghttp2_check_header_value_rfc9113)
        default: return false
        }
    }

    /// Returns false for a field that a request of HTTP/2 cannot have, or not with this value.
    private mutating func isAllowed(
        _ name: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer
    ) -> Bool {
        // The lengths distinguish most names without a comparison.
        switch name.count {
        case 2 where name.equals("te"): return value.equals("trailers")
        case 4 where name.equals("host"): return isFirst(.host)
        case 7: return !name.equals("upgrade")
        case 10: return !name.equals("connection") && !name.equals("keep-alive")
        case 14 where name.equals("content-length"):
            contentLength = Self.number(value)
            return isFirst(.contentLength) && contentLength != nil
        case 16: return !name.equals("proxy-connection")
        case 17: return !name.equals("transfer-encoding")
        default: return true
        }
    }

    private mutating func isFirst(_ field: Once) -> Bool { seen.insert(field).inserted }

    /// Calls a function of libnghttp2 that checks characters.
    private static func accepts(
        _ text: UnsafeRawBufferPointer,
        _ check: (UnsafePointer<UInt8>?, Int) -> Int32
    ) -> Bool {
        check(text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count) != 0
    }

    private static func number(_ digits: UnsafeRawBufferPointer) -> Int? {
        guard !digits.isEmpty else { return nil }
        var number = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
            if isTooLarge || overflow { return nil }
            number = sum
        }
        return number
    }
}
