/// The limits of the configuration itself.
enum SettingLimits {
    /// The maximum size of the file, in bytes.
    static let fileBytesMax = 256 * 1_024
    /// The maximum size of one text, in bytes.
    static let textBytesMax = 65_536
    /// The maximum number of hooks.
    static let hooksMax = 32
    /// The maximum number of users in each of the lists of those that are served.
    static let userIDsMax = 1_000
    /// The maximum number of headers of a webhook.
    static let headersMax = 32
    /// The maximum number of words of a command: the program and its arguments.
    static let commandWordsMax = 64
}
