/// The reason for which a message cannot be decoded or built.
public struct ProtoError: Error, Hashable {
    /// The kind of the fault.
    public enum Kind: Sendable, Hashable {
        /// The bytes are not a message of the type.
        case malformed
        /// Messages are nested deeper than ``WireCheck/depthMax``.
        case tooDeep
        /// A string is not valid UTF-8.
        case invalidUTF8
        /// A string contains the NUL character, at which C strings end.
        case containsNUL
        /// An enum field has a value that its type does not define.
        case unknownEnumValue
        /// A field occurs that the caller of ``ProtoArena/unpack(_:as:refusing:)`` does not accept.
        case refusedField
        /// The message needs more memory than its arena may give.
        case tooLarge
    }

    /// The kind of the fault.
    public var kind: Kind
    /// The path of the field at fault, such as `author.id`; empty for the message as a whole.
    public var field: String

    /// Makes an error.
    public init(_ kind: Kind, field: String = "") {
        self.kind = kind
        self.field = field
    }

    /// Returns the same error with a path that begins with the field `parent`.
    func inside(_ parent: String) -> ProtoError {
        ProtoError(kind, field: field.isEmpty ? parent : "\(parent).\(field)")
    }
}
