internal import FeedbackServer
internal import Logging

/// The settings of one start.
struct Settings: SettingTarget {
    var server = ServerConfiguration()
    var logLevel = Logger.Level.info
    /// Outermost first.
    private(set) var hooks: [HookSettings] = []
    /// The file's values besides the hooks: those that a reload does not change.
    private(set) var fixedValues: [String: [String]] = [:]

    init() {}

    /// - Throws: INVALID_ARGUMENT that names the setting, where it stands and what is allowed.
    init(_ sources: SettingSources) throws(CallError) {
        try self.init(reading: SettingSection(sources: sources, prefix: ""))
        hooks = try HookSettings.read(sources)
        fixedValues =
            sources.file?.values.filter { !$0.key.hasPrefix("\(HookSettings.root).") } ?? [:]
    }
}
