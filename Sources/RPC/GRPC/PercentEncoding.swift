/// The encoding of `grpc-message` (gRPC, PROTOCOL-HTTP2.md, "Percent-Encoded").
enum PercentEncoding {
    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    /// Encodes as many whole characters of the text, in UTF-8, as fit into `bytesMax` bytes.
    static func encode(_ text: String, bytesMax: Int) -> [UInt8] {
        var encoded: [UInt8] = []
        for character in text.unicodeScalars {
            var bytes: [UInt8] = []
            for byte in UTF8.encode(character).map(Array.init) ?? [] {
                if isPlain(byte) {
                    bytes.append(byte)
                } else {
                    bytes += [
                        UInt8(ascii: "%"), hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 0xF)],
                    ]
                }
            }
            guard encoded.count + bytes.count <= bytesMax else { break }
            encoded += bytes
        }
        return encoded
    }

    /// Returns true for the space and the visible characters of ASCII, except `%`.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "%")
    }
}
