internal import FeedbackServer
internal import Logging

/// The reload on SIGHUP: makes the hooks anew from the present file, if that is valid, and opens
/// the files to which they write again.
actor Reload {
    private let options: Options
    /// The settings from which the running hooks were made.
    private var settings: Settings
    private let logger: Logger

    init(options: Options, settings: Settings, logger: Logger) {
        self.options = options
        self.settings = settings
        self.logger = logger
    }

    /// Reloads the hooks of the server.
    ///
    /// If the hooks cannot be made from the present file, they are made anew from the former
    /// settings, and the error is logged.
    func run(_ server: FeedbackServer) async {
        do {
            let sources = try SettingSources(options: options.given)
            let new = try Settings(sources)
            // An empty or truncated file is not taken as a wish to run without checks and audit.
            if new.hooks.isEmpty, !settings.hooks.isEmpty,
                sources.file?.values[HookSettings.orderKey] == nil
            {
                throw sources.fault(
                    HookSettings.orderKey,
                    "is missing while hooks run; to end them all, write hooks: {order: []}"
                )
            }
            try await replaceHooks(of: server, by: new)
            logChanges(in: new)
            settings = new
            logger.notice("hooks are reloaded: \(names)")
        } catch {
            await recreateHooks(on: server)
            logger.error("the configuration stays as it was: \(Feedbackd.line(error))")
        }
    }

    /// Makes the running hooks anew, as the files to which they write may have been moved away.
    private func recreateHooks(on server: FeedbackServer) async {
        do {
            try await replaceHooks(of: server, by: settings)
        } catch {
            logger.error("the hooks stay as they were: \(Feedbackd.line(error))")
        }
    }

    private func replaceHooks(of server: FeedbackServer, by settings: Settings) async throws {
        let (hooks, destinations) = try HookSettings.make(settings.hooks, logger)
        try await server.replaceHooks(hooks, destinations: destinations)
    }

    private var names: String {
        settings.hooks.isEmpty ? "none" : settings.hooks.map(\.name).joined(separator: ", ")
    }

    /// Logs the keys of the file whose new values take effect only after a restart.
    private func logChanges(in new: Settings) {
        let keys = Set(settings.fixedValues.keys).union(new.fixedValues.keys)
        let changed = keys.filter { settings.fixedValues[$0] != new.fixedValues[$0] }.sorted()
        if changed.isEmpty { return }
        logger.notice(
            "changed in the file, and taken up by the next start only: \(changed.joined(separator: ", "))"
        )
    }
}
