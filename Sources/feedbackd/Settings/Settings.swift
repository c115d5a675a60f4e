internal import FeedbackServer
internal import Logging

/// The settings of one start of the daemon.
struct Settings: SettingTarget {
    var server = ServerConfiguration()
    var logLevel = Logger.Level.info
    /// The hooks, the outermost first.
    private(set) var hooks: [HookSettings] = []
    /// The values of the file that a reload does not change: all except those of the hooks.
    private(set) var fixedValues: [String: [String]] = [:]

    init() {}

    /// Reads the settings from their sources.
    ///
    /// - Throws: INVALID_ARGUMENT that names the setting, its place and the values that are
    ///   allowed.
    init(_ sources: SettingSources) throws(CallError) {
        try self.init(reading: SettingSection(sources: sources, prefix: ""))
        hooks = try HookSettings.read(sources)
        fixedValues =
            sources.file?.values.filter { !$0.key.hasPrefix("\(HookSettings.root).") } ?? [:]
    }
}
