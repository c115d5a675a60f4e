/// The head of an HTTP/1.1 request (RFC 9112): its request line and header fields, as they arrive.
///
/// It does no I/O. Header fields are not looked at, nor is a body expected.
struct HTTPRequestHead {
    /// The limit of the head's length, with the empty line at its end, in bytes.
    static let bytesMax = 8 << 10

    /// The state of a head to which bytes were appended.
    enum Progress: Equatable {
        /// The empty line at the end has not arrived.
        case incomplete
        /// The whole head has arrived.
        case complete
        /// The head is longer than ``HTTPRequestHead/bytesMax``.
        case tooLong
    }

    private static let end: [UInt8] = [13, 10, 13, 10]

    private var bytes: [UInt8] = []

    /// Appends bytes that have arrived; those beyond the limit are dropped.
    mutating func append(_ more: some Collection<UInt8>) -> Progress {
        let searched = max(0, bytes.count - (Self.end.count - 1))
        bytes += more.prefix(Self.bytesMax + 1 - bytes.count)
        var rest = bytes.prefix(Self.bytesMax)[searched...]
        while rest.count >= Self.end.count {
            if rest.starts(with: Self.end) { return .complete }
            rest.removeFirst()
        }
        return bytes.count > Self.bytesMax ? .tooLong : .incomplete
    }

    /// The words of the request line: usually method, target and version.
    var words: [String] {
        bytes.prefix { $0 != 13 }
            .split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
