/// What kind of author gave a feedback.
///
/// The raw values are those of `feedback.v1.AuthorSource`.
public enum AuthorSource: Int32, Sendable, Hashable, CaseIterable {
    /// Not said.
    case unspecified = 0
    /// A person.
    case human = 1
    /// Another model that judges.
    case model = 2
    /// A program, for example a test.
    case code = 3
}

/// Who gave a feedback.
public struct Author: Sendable, Hashable {
    /// The kind of author.
    public var source: AuthorSource
    /// The author's name in the caller's world, at most ``FieldLimits/idBytesMax`` bytes.
    public var id: String

    /// Makes an author.
    public init(source: AuthorSource = .unspecified, id: String = "") {
        self.source = source
        self.id = id
    }
}
