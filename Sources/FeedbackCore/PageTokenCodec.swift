internal import Crypto
public import FeedbackModel
internal import Foundation

/// Makes and reads page tokens: a position in a list, authenticated together with the list's
/// filters.
///
/// A token that was changed, or is used with other filters, is refused. Tokens are valid as long as
/// the key is kept.
public struct PageTokenCodec: Sendable {
    /// The number of bytes of a key.
    public static let keyBytes = 32
    /// The number of bytes of the HMAC in the token: 128 bits.
    private static let sealBytes = 16

    private let key: SymmetricKey

    /// Makes a codec for the store that owns the key.
    public init(key: [UInt8]) {
        self.key = SymmetricKey(data: key)
    }

    /// Makes a random key.
    public static func makeKey() -> [UInt8] {
        SymmetricKey(size: .init(bitCount: keyBytes * 8)).withUnsafeBytes { Array($0) }
    }

    /// Returns the token for the feedback after `position` in the query's order.
    public func token(position: Int64, query: FeedbackQuery) -> String {
        token(content: withUnsafeBytes(of: position.bigEndian) { Array($0) }, query: query)
    }

    /// Returns the token for the feedback after a position that is more than a number.
    public func token(content: [UInt8], query: FeedbackQuery) -> String {
        (content + seal(content, query)).map { hex($0) }.joined()
    }

    /// Returns the position in the query's token.
    ///
    /// - Throws: INVALID_ARGUMENT if the token was not made by this codec for these filters.
    public func position(in query: FeedbackQuery) throws(CallError) -> Int64 {
        let content = try content(in: query)
        guard content.count == 8 else {
            throw .invalid("page_token", "must be a next_page_token")
        }
        return content.reduce(0) { $0 << 8 | Int64($1) }
    }

    /// Returns the content of which ``token(content:query:)`` made the query's token.
    ///
    /// - Throws: INVALID_ARGUMENT if the token was not made by this codec for these filters.
    public func content(in query: FeedbackQuery) throws(CallError) -> [UInt8] {
        guard let bytes = bytes(ofHex: query.pageToken), bytes.count > Self.sealBytes else {
            throw .invalid("page_token", "must be a next_page_token")
        }
        let content = Array(bytes.dropLast(Self.sealBytes))
        let expected = seal(content, query)
        // The time of the comparison does not depend on the place of a difference.
        let difference = zip(expected, bytes[content.count...]).reduce(0) { $0 | ($1.0 ^ $1.1) }
        guard difference == 0 else {
            throw .invalid(
                "page_token",
                "must be the next_page_token of a list with the same filters"
            )
        }
        return content
    }

    private func seal(_ content: [UInt8], _ query: FeedbackQuery) -> [UInt8] {
        var hmac = HMAC<SHA256>(key: key)
        hmac.update(data: content)
        // A length precedes each text, so that no two queries have the same encoding.
        let ratings = query.filter.ratings.map(\.rawValue).sorted()
        let sessionID = query.filter.sessionID ?? ""
        let filters =
            "\(sessionID.utf8.count):\(sessionID) "
            + "\(query.filter.messageID.utf8.count):\(query.filter.messageID) "
            + "\(ratings) \(bound(query.filter.created.from)) \(bound(query.filter.created.until)) "
            + "\(query.filter.hasComment.map(String.init) ?? "any") \(query.newestFirst)"
        hmac.update(data: Data(filters.utf8))
        return Array(hmac.finalize().prefix(Self.sealBytes))
    }

    private func bound(_ moment: Timestamp?) -> String {
        moment.map { String($0.millisecondsSinceEpoch) } ?? "none"
    }

    private func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    private func bytes(ofHex text: String) -> [UInt8]? {
        let digits = text.utf8.map {
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                ? $0 - UInt8(ascii: "0")
                : UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 ? $0 - UInt8(ascii: "a") + 10 : 255
        }
        guard digits.count.isMultiple(of: 2), !digits.contains(255) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
