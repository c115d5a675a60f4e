/// The limits of the configuration itself.
enum SettingLimits {
    /// The size of the file.
    static let fileBytesMax = 256 * 1_024
    /// The size of one text.
    static let textBytesMax = 65_536
    /// The length of the list of hooks.
    static let hooksMax = 32
    /// The length of the list of users that are served.
    static let userIDsMax = 1_000
    /// The number of a webhook's headers.
    static let headersMax = 32
    /// The number of a command's words: the program and its arguments.
    static let commandWordsMax = 64
}
