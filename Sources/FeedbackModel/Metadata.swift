/// A session's metadata: a JSON object.
public typealias Metadata = [String: MetadataValue]

/// A JSON value.
///
/// Numbers are finite doubles, as in `google.protobuf.Value`; whole ones are written as whole
/// numbers.
public enum MetadataValue: Sendable, Hashable {
    /// JSON's null.
    case null
    /// A truth value.
    case bool(Bool)
    /// A finite number.
    case number(Double)
    /// Text.
    case string(String)
    /// An array.
    case list([MetadataValue])
    /// An object.
    case object([String: MetadataValue])
}

/// A change of a session's metadata.
public enum MetadataChange: Sendable, Hashable {
    /// Adds the pairs; the value of a key that exists is replaced.
    case merge(Metadata)
    /// Removes the keys; keys that do not exist are ignored.
    case remove([String])

    /// Returns the metadata after the change.
    public func applied(to metadata: Metadata) -> Metadata {
        switch self {
        case .merge(let added): metadata.merging(added) { _, new in new }
        case .remove(let keys): metadata.filter { !keys.contains($0.key) }
        }
    }
}

extension Double {
    /// The same number as an integer; nil if it is none, or -0, which an integer cannot represent.
    package var wholeNumber: Int64? {
        if self == 0, sign == .minus { return nil }
        return Int64(exactly: self)
    }
}

extension MetadataValue: Codable {
    /// Reads a JSON value.
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
        } else if let value = try? container.decode([MetadataValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: MetadataValue].self))
        }
    }

    /// Writes a JSON value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value):
            if let whole = value.wholeNumber {
                try container.encode(whole)
            } else {
                try container.encode(value)
            }
        case .string(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
