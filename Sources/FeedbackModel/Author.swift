/// The kind of author that gave a feedback.
///
/// The raw values are those of `feedback.v1.AuthorSource`.
public enum AuthorSource: Int32, Sendable, Hashable, CaseIterable {
    /// The caller did not specify the kind.
    case unspecified = 0
    /// A person.
    case human = 1
    /// A model that judges the answer of another one.
    case model = 2
    /// A program, such as a test.
    case code = 3
}

/// The author of a feedback.
public struct Author: Sendable, Hashable {
    /// The kind of author.
    public var source: AuthorSource
    /// The author's identifier as the caller knows it, at most ``FieldLimits/idBytesMax`` bytes.
    public var id: String

    /// Makes an author.
    public init(source: AuthorSource = .unspecified, id: String = "") {
        self.source = source
        self.id = id
    }

    /// True if both are equal, the identifiers with the same bytes.
    public static func == (a: Author, b: Author) -> Bool {
        a.source == b.source && ExactText(a.id) == ExactText(b.id)
    }
}
