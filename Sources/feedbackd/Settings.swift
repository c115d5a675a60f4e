internal import FeedbackServer
internal import Logging
internal import RPC

/// The settings of one start.
struct Settings {
    var server = ServerConfiguration()
    var logLevel = Logger.Level.info
    /// Outermost first.
    var hooks: [HookSettings] = []
    /// The file's values besides the hooks: what a reload does not change.
    let fixedValues: [String: ConfigurationFile.Value]

    /// - Throws: INVALID_ARGUMENT that names the setting, where it stands and what is allowed.
    init(_ sources: SettingSources) throws(FeedbackError) {
        func text(_ key: String) throws(FeedbackError) -> String? {
            guard let setting = Setting.all.first(key) else { preconditionFailure(key) }
            return try sources.text(key, setting.kind)
        }
        /// Sets the property if the setting is there.
        func number(
            _ key: String,
            _ property: WritableKeyPath<ServerConfiguration, Int>
        ) throws(FeedbackError) {
            if let number = try text(key).flatMap({ Int($0) }) {
                server[keyPath: property] = number
            }
        }
        func seconds(
            _ key: String,
            _ property: WritableKeyPath<ServerConfiguration, Duration>
        ) throws(FeedbackError) {
            if let seconds = try text(key).flatMap({ Int($0) }) {
                server[keyPath: property] = .seconds(seconds)
            }
        }

        fixedValues = sources.file?.values.filter { !$0.key.hasPrefix("hooks.") } ?? [:]
        server.socketPath = try text("socket")
        if let store = try text("store") {
            do {
                server.store = try StoreLocation(store)
            } catch {
                // What it says repeats no secret.
                throw sources.fault("store", "cannot be used: \(Feedbackd.line(error))")
            }
        }
        server.mongoDatabase = try text("mongodb_database")
        server.mongoCollection = try text("mongodb_collection")
        server.alertsFile = try text("alerts_file")
        if let address = try text("metrics_listen") {
            do {
                server.metricsListen = try PageAddress(address)
            } catch {
                throw sources.fault("metrics_listen", "\(error)")
            }
        }
        if let policy = try text("missing_session").flatMap(MissingSessionPolicy.init(rawValue:)) {
            server.missingSession = policy
        }
        if let bits = try text("socket_mode").flatMap({ SettingKind.mode($0) }) {
            server.socketMode = bits
        }
        server.socketGroup = try text("socket_group")
        if let setting = Setting.all.first("allow_uid") {
            let uids = try sources.list(setting.key, setting.kind) ?? []
            server.allowedUIDs = Set(uids.compactMap { UInt32($0) })
        }
        if let level = try text("log_level").flatMap(Logger.Level.init(rawValue:)) {
            logLevel = level
        }
        try number("connections_max", \.limits.connectionsMax)
        try number("calls_in_flight_max", \.limits.callsInFlightPerConnectionMax)
        try number("frame_bytes_max", \.limits.frameBytesMax)
        try number("output_queue_bytes_max", \.limits.outputQueueBytesMax)
        try seconds("handshake_timeout", \.limits.handshakeTimeout)
        try number("write_queue_max", \.writeLimits.queueLengthMax)
        try seconds("drain_timeout", \.drainTimeout)
        hooks = try HookSettings.read(sources)
    }
}
