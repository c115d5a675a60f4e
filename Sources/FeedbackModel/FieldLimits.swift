/// The limits of every field.
///
/// They are part of the contract of `feedback.v1`, not configuration.
public enum FieldLimits {
    /// Of session_id, message_id, agent_id, author.id and request_id.
    public static let idBytesMax = 255
    /// Of a comment.
    public static let commentCodePointsMax = 10_000
    /// Of the tags of one feedback.
    public static let tagsMax = 16
    /// Of one tag; at least 1.
    public static let tagBytesMax = 64
    /// Of the attributes of one feedback.
    public static let attributesMax = 32
    /// Of an attribute's key; at least 1.
    public static let attributeKeyBytesMax = 64
    /// Of an attribute's value.
    public static let attributeValueBytesMax = 1_024
    /// Of a session's metadata, written as JSON.
    public static let metadataBytesMax = 65_536
    /// Of a session's metadata: the levels of objects and lists, the outermost object included.
    public static let metadataDepthMax = 16
    /// Of a page when the caller names no size.
    public static let pageSizeDefault = 100
    /// Of a page at most.
    public static let pageSizeMax = 1_000
    /// Of the ids in one request to retry alerts.
    public static let alertIDsMax = 1_000
    /// Of the feedback on a page, in bytes: below the 4 MiB that a message may have.
    public static let pageBytesMax = 3 << 20
}
