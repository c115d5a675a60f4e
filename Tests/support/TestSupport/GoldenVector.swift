public import Foundation

/// A vector of `Proto/vectors`, whose README describes the parts.
public struct GoldenVector: Decodable, Sendable, CustomStringConvertible {
    /// The vector's name.
    public let name: String
    /// The vector's kind: `message` or `frame`.
    public let kind: String
    /// The full name of the message's type; nil for frames.
    public let type: String?
    /// True if no encoder produces these bytes.
    public let isDecodeOnly: Bool
    /// The code with which the bytes are refused; nil if they are valid.
    public let code: String?
    /// The field that the refusal names.
    public let field: String?
    /// The encoded bytes.
    public let bytes: Data
    /// The meaning of the bytes as JSON.
    public let meaning: JSON?

    /// The vector's name.
    public var description: String { name }

    private enum CodingKeys: String, CodingKey {
        case name, kind, type, code, field, hex, meaning
        case isDecodeOnly = "decode_only"
    }

    /// Reads an entry of the file.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        kind = try values.decode(String.self, forKey: .kind)
        type = try values.decodeIfPresent(String.self, forKey: .type)
        isDecodeOnly = try values.decodeIfPresent(Bool.self, forKey: .isDecodeOnly) ?? false
        code = try values.decodeIfPresent(String.self, forKey: .code)
        field = try values.decodeIfPresent(String.self, forKey: .field)
        bytes = try Data(hex: values.decode(String.self, forKey: .hex))
        meaning = try values.decodeIfPresent(JSON.self, forKey: .meaning)
    }

    /// Makes a vector of the message that a frame carries; nil if it carries none.
    public init?(payloadOf frame: GoldenVector) throws {
        guard let type = frame.meaning?["payload_type"].string,
            let hex = frame.meaning?["payload_hex"].string
        else { return nil }
        name = frame.name
        kind = "message"
        self.type = type
        isDecodeOnly = false
        code = nil
        field = nil
        bytes = try Data(hex: hex)
        meaning = frame.meaning?["payload"]
    }

    /// Returns all vectors of a kind, of both files.
    public static func all(_ kind: String) throws -> [GoldenVector] {
        let repository = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../..")
        return try ["vectors.json", "pieces.json"].flatMap { name in
            let file = repository.appendingPathComponent("Proto/vectors/\(name)").standardized
            return try JSONDecoder().decode([GoldenVector].self, from: Data(contentsOf: file))
                .filter { $0.kind == kind }
        }
    }
}

/// A JSON value.
public enum JSON: Decodable, Sendable, Hashable {
    /// JSON's null, or a missing value.
    case null
    /// A truth value.
    case bool(Bool)
    /// A number.
    case number(Double)
    /// Text.
    case string(String)
    /// An array.
    case list([JSON])
    /// An object.
    case object([String: JSON])

    /// Reads a value.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    /// A member of an object.
    public subscript(_ key: String) -> JSON {
        if case .object(let members) = self { members[key] ?? .null } else { .null }
    }

    /// The text; nil if the value is not a text.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The number if it is whole; nil otherwise.
    public var integer: Int64? {
        if case .number(let value) = self { Int64(exactly: value) } else { nil }
    }
    /// The elements; empty if the value is not an array.
    public var elements: [JSON] { if case .list(let values) = self { values } else { [] } }
}

extension Data {
    /// Decodes hexadecimal digits.
    public init(hex: String) throws {
        let digits = try hex.utf8.map { character in
            guard let digit = Character(Unicode.Scalar(character)).hexDigitValue else {
                throw RawConnection.Failure(description: "no hexadecimal digit")
            }
            return UInt8(digit)
        }
        self.init(stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
    }
}
