/// Why a message cannot be decoded or built.
public struct ProtoError: Error, Hashable {
    /// What is wrong.
    public enum Kind: Sendable, Hashable {
        /// The bytes are not a message of the type.
        case malformed
        /// Messages are nested deeper than ``WireCheck/depthMax``.
        case tooDeep
        /// Text is not UTF-8.
        case invalidUTF8
        /// Text has the NUL character, which C strings cannot hold.
        case containsNUL
        /// An enum has a value that its type does not name.
        case unknownEnumValue
        /// The message needs more memory than its arena may give.
        case tooLarge
    }

    /// What is wrong.
    public var kind: Kind
    /// The path of the field at fault, like `author.id`; empty if it is the message as a whole.
    public var field: String

    /// Makes an error.
    public init(_ kind: Kind, field: String = "") {
        self.kind = kind
        self.field = field
    }

    /// The same fault, seen from the message that holds the one where it is.
    func inside(_ parent: String) -> ProtoError {
        ProtoError(kind, field: field.isEmpty ? parent : "\(parent).\(field)")
    }
}
