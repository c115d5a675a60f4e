/// The version of the daemon and of this package.
public enum FeedbackdVersion {
    /// The version, as in Semantic Versioning 2.0.0.
    public static let text = "0.1.0"
}
