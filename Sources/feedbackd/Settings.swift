internal import Configuration
internal import FeedbackServer
internal import Foundation
internal import Logging
internal import RPC
internal import SystemPackage

/// The settings of one start: options first, then the environment, then the file, then defaults.
struct Settings {
    var server = ServerConfiguration()
    var logLevel = Logger.Level.info

    /// - Throws: INVALID_ARGUMENT that names the setting and what would be accepted.
    init(_ options: Options) async throws {
        let sources = try await Sources(file: options.config)
        func text(_ option: String?, _ key: String) -> String? { option ?? sources.text(key) }
        func number(_ option: String?, _ key: String, _ range: ClosedRange<Int>) throws -> Int? {
            try text(option, key).map { try Self.number($0, key, range) }
        }

        server.socketPath = text(options.socket, "socket")
        if let store = text(options.store, "store") { server.store = try StoreLocation(store) }
        server.mongoDatabase = text(options.mongodbDatabase, "mongodb_database")
        server.mongoCollection = text(options.mongodbCollection, "mongodb_collection")
        if let address = text(options.metricsListen, "metrics_listen") {
            do {
                server.metricsListen = try PageAddress(address)
            } catch {
                throw Self.fault("metrics_listen", "\(error)")
            }
        }
        if let policy = text(options.missingSession, "missing_session") {
            guard let value = MissingSessionPolicy(rawValue: policy) else {
                throw Self.fault("missing_session", "must be create or reject")
            }
            server.missingSession = value
        }
        if let mode = text(options.socketMode, "socket_mode") {
            guard let bits = UInt32(mode, radix: 8), bits & ~0o777 == 0, bits & 0o600 == 0o600
            else {
                throw Self.fault("socket_mode", "must be octal, from 0600 to 0777, like 0660")
            }
            server.socketMode = bits
        }
        server.socketGroup = text(options.socketGroup, "socket_group")
        let uids = options.allowUid.isEmpty ? sources.list("allow_uid") : options.allowUid
        server.allowedUIDs = Set(
            try uids.map { UInt32(try Self.number($0, "allow_uid", 0...Int(UInt32.max) - 1)) }
        )
        if let level = text(options.logLevel, "log_level") {
            guard let value = Logger.Level(rawValue: level) else {
                let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw Self.fault("log_level", "must be one of \(names)")
            }
            logLevel = value
        }

        let limits = server.limits
        server.limits.connectionsMax =
            try number(options.connectionsMax, "connections_max", 1...1_000_000)
            ?? limits.connectionsMax
        server.limits.callsInFlightPerConnectionMax =
            try number(options.callsInFlightMax, "calls_in_flight_max", 1...1_000_000)
            ?? limits.callsInFlightPerConnectionMax
        server.limits.frameBytesMax =
            try number(options.frameBytesMax, "frame_bytes_max", 1_024...limits.frameBytesMax)
            ?? limits.frameBytesMax
        server.limits.outputQueueBytesMax =
            try number(options.outputQueueBytesMax, "output_queue_bytes_max", 65_536...1 << 30)
            ?? limits.outputQueueBytesMax
        if let seconds = try number(options.handshakeTimeout, "handshake_timeout", 1...3_600) {
            server.limits.handshakeTimeout = .seconds(seconds)
        }
        server.writeLimits.queueLengthMax =
            try number(options.writeQueueMax, "write_queue_max", 1...1_000_000)
            ?? server.writeLimits.queueLengthMax
        if let seconds = try number(options.drainTimeout, "drain_timeout", 0...3_600) {
            server.drainTimeout = .seconds(seconds)
        }
    }

    private static func number(
        _ text: String,
        _ key: String,
        _ range: ClosedRange<Int>
    ) throws -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw fault(
                key,
                "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }

    private static func fault(_ key: String, _ rule: String) -> FeedbackError {
        FeedbackError(.invalidArgument, "\(key) \(rule)")
    }
}

/// The environment and the file.
private struct Sources {
    private let reader: ConfigReader

    init(file: String?) async throws {
        let environment = EnvironmentVariablesProvider()
        let inEnvironment = environment.prefixKeys(with: "feedbackd")
        let path = file ?? ConfigReader(provider: inEnvironment).string(forKey: "config")
        guard let path else {
            reader = ConfigReader(provider: inEnvironment)
            return
        }
        do {
            let provider = try await FileProvider<YAMLSnapshot>(filePath: FilePath(path))
            reader = ConfigReader(providers: [inEnvironment, provider])
        } catch {
            throw FeedbackError(
                .invalidArgument,
                "the configuration file \(path) cannot be read as YAML",
                cause: error
            )
        }
    }

    /// A value, whatever scalar the file holds: `socket_mode: 0660` is a number there.
    func text(_ key: String) -> String? {
        let key = ConfigKey(key)
        return reader.string(forKey: key) ?? reader.int(forKey: key).map(String.init)
    }

    func list(_ key: String) -> [String] {
        let key = ConfigKey(key)
        return reader.stringArray(forKey: key)
            ?? reader.intArray(forKey: key)?.map(String.init) ?? text(key.description).map { [$0] }
            ?? []
    }
}
