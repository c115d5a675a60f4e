internal import ArgumentParser

/// What may be given on the command line.
///
/// Nil is what was not given.
struct Options: ParsableArguments {
    @Option(help: .of("socket")) var socket: String?
    @Option(help: .of("store")) var store: String?
    @Option(help: .of("mongodb_database")) var mongodbDatabase: String?
    @Option(help: .of("mongodb_collection")) var mongodbCollection: String?
    @Option(help: .of("alerts_file")) var alertsFile: String?
    @Option(help: .of("missing_session")) var missingSession: String?
    @Option(help: .of("socket_mode")) var socketMode: String?
    @Option(help: .of("socket_group")) var socketGroup: String?
    @Option(parsing: .upToNextOption, help: .of("allow_uid")) var allowUid: [String] = []
    @Option(help: .of("metrics_listen")) var metricsListen: String?
    @Option(help: .of("log_level")) var logLevel: String?
    @Option(help: .of("connections_max")) var connectionsMax: String?
    @Option(help: .of("calls_in_flight_max")) var callsInFlightMax: String?
    @Option(help: .of("frame_bytes_max")) var frameBytesMax: String?
    @Option(help: .of("output_queue_bytes_max")) var outputQueueBytesMax: String?
    @Option(help: .of("handshake_timeout")) var handshakeTimeout: String?
    @Option(help: .of("write_queue_max")) var writeQueueMax: String?
    @Option(help: .of("drain_timeout")) var drainTimeout: String?

    @Option(help: "A YAML file with settings and hooks; SIGHUP reads its hooks again.")
    var config: String?

    /// What was given, by the settings' keys.
    var given: [String: [String]] {
        let texts: [(key: String, text: String?)] = [
            ("socket", socket),
            ("store", store),
            ("mongodb_database", mongodbDatabase),
            ("mongodb_collection", mongodbCollection),
            ("alerts_file", alertsFile),
            ("missing_session", missingSession),
            ("socket_mode", socketMode),
            ("socket_group", socketGroup),
            ("metrics_listen", metricsListen),
            ("log_level", logLevel),
            ("connections_max", connectionsMax),
            ("calls_in_flight_max", callsInFlightMax),
            ("frame_bytes_max", frameBytesMax),
            ("output_queue_bytes_max", outputQueueBytesMax),
            ("handshake_timeout", handshakeTimeout),
            ("write_queue_max", writeQueueMax),
            ("drain_timeout", drainTimeout),
            ("config", config),
        ]
        var given: [String: [String]] = [:]
        for (key, text) in texts { if let text { given[key] = [text] } }
        if !allowUid.isEmpty { given["allow_uid"] = allowUid }
        return given
    }
}

extension ArgumentHelp {
    fileprivate static func of(_ key: String) -> ArgumentHelp {
        guard let setting = Setting.all.first(key) else { preconditionFailure(key) }
        return ArgumentHelp("\(setting.help)\(setting.kind.choices)")
    }
}

extension SettingKind {
    /// Said besides a setting's help.
    fileprivate var choices: String {
        guard case .choice(let choices) = self else { return "" }
        return " One of \(choices.joined(separator: ", "))."
    }
}
