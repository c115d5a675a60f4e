/// The limits of all fields.
///
/// They are part of the contract of `feedback.v1` and cannot be configured.
public enum FieldLimits {
    /// The maximum number of bytes of session_id, message_id, agent_id, author.id and request_id.
    public static let idBytesMax = 255
    /// The description of the violation by a session_id that is empty.
    package static let emptySessionID = "must be 1 to \(idBytesMax) bytes, is empty"
    /// The maximum number of code points of a comment.
    public static let commentCodePointsMax = 10_000
    /// The maximum number of tags of one feedback.
    public static let tagsMax = 16
    /// The maximum number of bytes of a tag; the minimum is 1.
    public static let tagBytesMax = 64
    /// The maximum number of attributes of one feedback.
    public static let attributesMax = 32
    /// The maximum number of bytes of an attribute's key; the minimum is 1.
    public static let attributeKeyBytesMax = 64
    /// The maximum number of bytes of an attribute's value.
    public static let attributeValueBytesMax = 1_024
    /// The maximum number of bytes of a session's metadata, encoded as JSON.
    public static let metadataBytesMax = 65_536
    /// The maximum nesting depth of a session's metadata: the levels of objects and lists, the
    /// outermost object included.
    public static let metadataDepthMax = 16
    /// The page size when the caller specifies none.
    public static let pageSizeDefault = 100
    /// The maximum page size that a caller may specify.
    public static let pageSizeMax = 1_000
    /// The maximum number of ids in one request about deliveries.
    public static let deliveryIDsMax = 1_000
    /// The maximum number of bytes of the feedback on a page: less than the 4 MiB that a message
    /// may have.
    public static let pageBytesMax = 3 << 20
}
