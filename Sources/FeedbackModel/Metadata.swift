/// A session's metadata: a JSON object.
public typealias Metadata = ExactDictionary<MetadataValue>

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
    case object(Metadata)

    /// True if the values are the same, texts with the same bytes.
    public static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): ExactText(a) == ExactText(b)
        case (.list(let a), .list(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        case (.null, _), (.bool, _), (.number, _), (.string, _), (.list, _), (.object, _): false
        }
    }
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
        case .remove(let keys):
            keys.reduce(into: metadata) { metadata, key in metadata[key] = nil }
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
