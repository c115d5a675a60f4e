/// The attributes of a feedback.
public typealias Attributes = ExactDictionary<String>

/// The content of a feedback, as a caller gives it before it is stored.
///
/// Copies share their storage until one of them is changed (copy on write), since a draft is passed
/// many times on its way into the store and back.
public struct FeedbackDraft: Sendable, Hashable {
    private struct Fields: Hashable {
        var sessionID: String
        var rating: Rating
        var comment: String
        var requestID: String
        var messageID: String
        var agentID: String
        var author: Author?
        var tags: [String]
        var attributes: Attributes

        /// True if all fields are equal, texts with the same bytes.
        static func == (a: Self, b: Self) -> Bool {
            a.rating == b.rating && a.author == b.author
                && zip(a.texts, b.texts).allSatisfy { ExactText($0) == ExactText($1) }
                && a.tags.map(ExactText.init) == b.tags.map(ExactText.init)
                && a.attributes.mapValues(ExactText.init)
                    == b.attributes.mapValues(ExactText.init)
        }

        private var texts: [String] { [sessionID, comment, requestID, messageID, agentID] }
    }

    private final class Box: @unchecked Sendable {
        // Unchecked Sendable: `fields` is changed only while the box is uniquely referenced.
        var fields: Fields

        init(_ fields: consuming Fields) { self.fields = fields }
    }

    private var box: Box

    private var fields: Fields {
        get { box.fields }
        _modify {
            if !isKnownUniquelyReferenced(&box) { box = Box(box.fields) }
            yield &box.fields
        }
    }

    /// Returns true if neither draft has changed since one was copied from the other.
    func isCopy(of other: FeedbackDraft) -> Bool { box === other.box }

    /// Makes a draft without checking the fields; the service checks them when the draft is added.
    public init(
        sessionID: String,
        rating: Rating = .none,
        comment: String = "",
        requestID: String = "",
        messageID: String = "",
        agentID: String = "",
        author: Author? = nil,
        tags: [String] = [],
        attributes: Attributes = [:]
    ) {
        box = Box(
            Fields(
                sessionID: sessionID,
                rating: rating,
                comment: comment,
                requestID: requestID,
                messageID: messageID,
                agentID: agentID,
                author: author,
                tags: tags,
                attributes: attributes
            )
        )
    }

    /// The session to which the feedback belongs: 1 to ``FieldLimits/idBytesMax`` bytes.
    public var sessionID: String {
        get { box.fields.sessionID }
        set { fields.sessionID = newValue }
    }

    /// The rating of the answer.
    public var rating: Rating {
        get { box.fields.rating }
        set { fields.rating = newValue }
    }

    /// The comment, at most ``FieldLimits/commentCodePointsMax`` code points; empty if there is
    /// none.
    public var comment: String {
        get { box.fields.comment }
        set { fields.comment = newValue }
    }

    /// The caller's idempotency key within the session; empty if there is none.
    public var requestID: String {
        get { box.fields.requestID }
        set { fields.requestID = newValue }
    }

    /// The identifier of the rated answer; empty if there is none.
    public var messageID: String {
        get { box.fields.messageID }
        set { fields.messageID = newValue }
    }

    /// The agent that gave the rated answer; empty if there is none.
    public var agentID: String {
        get { box.fields.agentID }
        set { fields.agentID = newValue }
    }

    /// The author of the feedback; nil if the caller did not specify it.
    public var author: Author? {
        get { box.fields.author }
        set { fields.author = newValue }
    }

    /// The tags, at most ``FieldLimits/tagsMax``.
    public var tags: [String] {
        get { box.fields.tags }
        set { fields.tags = newValue }
    }

    /// The attributes, at most ``FieldLimits/attributesMax`` pairs.
    public var attributes: Attributes {
        get { box.fields.attributes }
        set { fields.attributes = newValue }
    }

    /// True if all fields are equal, texts with the same bytes.
    public static func == (a: FeedbackDraft, b: FeedbackDraft) -> Bool {
        a.box === b.box || a.box.fields == b.box.fields
    }

    /// Hashes all fields.
    public func hash(into hasher: inout Hasher) { hasher.combine(box.fields) }
}

extension FeedbackDraft {
    /// Returns the number of UTF-8 bytes of all texts but the ids of session and request, with
    /// `perTag` and `perAttribute` bytes added for each tag and attribute.
    package func textBytes(perTag: Int, perAttribute: Int) -> Int {
        var bytes = comment.utf8.count + messageID.utf8.count + agentID.utf8.count
        bytes += author?.id.utf8.count ?? 0
        for tag in tags { bytes += perTag + tag.utf8.count }
        for (key, value) in attributes {
            bytes += perAttribute + key.utf8.count + value.utf8.count
        }
        return bytes
    }
}
