@_exported public import FeedbackCore
@_exported public import FeedbackModel
internal import Glibc
public import MongoStore
@_exported public import PrometheusMetrics
internal import RPC

/// The location of a store.
public enum StoreLocation: Sendable, Hashable, CustomStringConvertible {
    /// In memory only.
    case memory
    /// An SQLite database at the path.
    case sqlite(path: String)
    /// A MongoDB database.
    case mongodb(MongoURI)

    /// Parses `memory:`, `sqlite:PATH`, or a MongoDB connection string.
    ///
    /// - Throws: INVALID_ARGUMENT that describes the accepted forms. The text is not part of the
    ///   error, since addresses of databases may contain secrets.
    public init(_ text: String) throws {
        if text == "memory:" {
            self = .memory
        } else if text.hasPrefix("sqlite:"), text.utf8.count > "sqlite:".utf8.count {
            self = .sqlite(path: String(text.dropFirst("sqlite:".count)))
        } else if MongoURI.isMeant(by: text) {
            self = .mongodb(try MongoURI(text))
        } else {
            throw CallError(
                .invalidArgument,
                "the store must be memory:, sqlite:PATH or mongodb://…"
            )
        }
    }

    /// Returns the default database: `/var/lib/feedbackd/feedback.db` for root, else
    /// `feedbackd/feedback.db` under `$XDG_DATA_HOME` or `~/.local/share` (XDG Base Directory
    /// Specification).
    public static func defaultLocation() throws -> StoreLocation {
        .sqlite(path: "\(try defaultFolder())/feedback.db")
    }

    /// Returns the default folder for the files of the process's user.
    static func defaultFolder() throws -> String {
        if geteuid() == 0 { return "/var/lib/feedbackd" }
        if let data = variable("XDG_DATA_HOME") { return "\(data)/feedbackd" }
        guard let home = variable("HOME") else {
            throw CallError(
                .failedPrecondition,
                "must name a file, since neither XDG_DATA_HOME nor HOME is set"
            )
        }
        return "\(home)/.local/share/feedbackd"
    }

    /// The location in the form of the configuration, without secrets.
    public var description: String {
        switch self {
        case .memory: "memory:"
        case .sqlite(let path): "sqlite:\(path)"
        case .mongodb(let uri): uri.description
        }
    }
}

/// The settings of a server.
public struct ServerConfiguration: Sendable {
    /// The socket's path; nil for the default path, whose folder is created if it does not exist.
    public var socketPath: String?
    /// The permission bits of the socket.
    public var socketMode: UInt32 = 0o600
    /// The name of the socket's group; nil for the group of the process.
    public var socketGroup: String?
    /// The users that are served; nil for all users that the socket's permissions admit.
    public var allowedUIDs: Set<UInt32>?
    /// The users that may call DeliveryService and AdminService, besides root and the user of the
    /// process.
    ///
    /// Those that ``allowedUIDs`` leaves out are not served even so.
    public var adminUIDs: Set<UInt32> = []
    /// The location of the store; nil for the default, whose folder is created if it does not
    /// exist.
    public var store: StoreLocation?
    /// The MongoDB database; nil for the one in the URI, or else `feedbackd`.
    public var mongoDatabase: String?
    /// The MongoDB collection; nil for `sessions`.
    public var mongoCollection: String?
    /// The SQLite file of the journal beside a MongoDB store; nil for `alerts.db` in the default
    /// folder, which is created if it does not exist.
    public var alertsFile: String?
    /// The moment at which adds and updates of metadata are answered if the store is MongoDB; `local`
    /// needs ``missingSession`` to be `create`.
    public var acknowledgement = Acknowledgement.majority
    /// The size in bytes of the changes in the journal that MongoDB does not have yet, from 1 MiB to
    /// 1 TiB, from which on adds are refused; 1 GiB by default.
    public var journalBytesMax = 1 << 30
    /// The age from which on changes that are everywhere are removed from the journal, from 1 second
    /// to 30 days; a day by default.
    public var journalKeep = Duration.seconds(86_400)
    /// The address of the page `/metrics` for Prometheus; nil for no page.
    ///
    /// It requires a call to ``FeedbackServer/collectMetrics()`` first.
    public var metricsListen: MetricsAddress?
    /// The policy for a write to a session that does not exist.
    public var missingSession = MissingSessionPolicy.create
    /// The time that running calls are given to finish when the server stops.
    public var drainTimeout = Duration.seconds(10)
    /// The limit of connections at once, from 1 to 1,000,000; 10,000 by default.
    ///
    /// One connection more is told so and closed. The processes of one user leave an eighth of them
    /// to others, and fewer are served if the process may not have as many descriptors:
    /// ``FeedbackServer/start()`` raises the soft limit as far as they need it.
    public var connectionsMax = Self.defaultLimits.connectionsMax
    /// The limit of calls of one connection at once, from 1 to 1,000,000; 1,024 by default.
    ///
    /// Further calls wait in the socket.
    public var callsInFlightPerConnectionMax = Self.defaultLimits.callsInFlightPerConnectionMax
    /// The limit of one message in bytes, from 1,024 to ``frameBytesLimit``, which is the default.
    public var frameBytesMax = Self.frameBytesLimit
    /// The limit of the bytes that wait to be written to one connection, from 65,536 to 1 GiB; 8 MiB
    /// by default.
    ///
    /// A client that reads nothing when they are that many is closed.
    public var outputQueueBytesMax = Self.defaultLimits.outputQueueBytesMax
    /// The time that the beginning of a connection may take, from 1 second to 1 hour; 5 seconds by
    /// default.
    ///
    /// A request for the page with metrics must arrive within it, too.
    public var handshakeTimeout = Self.defaultLimits.handshakeTimeout
    /// The limits of the store's write queue.
    public var writeLimits = CommitLimits()

    /// The largest ``frameBytesMax``: 4 MiB, the limit of ttrpc's frames.
    public static let frameBytesLimit = defaultLimits.frameBytesMax

    private static let defaultLimits = RPCLimits()

    /// Makes the default configuration.
    public init() {}

    /// The limits of the server's connections.
    var rpcLimits: RPCLimits {
        var limits = Self.defaultLimits
        limits.connectionsMax = connectionsMax
        limits.callsInFlightPerConnectionMax = callsInFlightPerConnectionMax
        limits.frameBytesMax = frameBytesMax
        limits.outputQueueBytesMax = outputQueueBytesMax
        limits.handshakeTimeout = handshakeTimeout
        return limits
    }
}

/// Returns the value of an environment variable; nil if it is not set or empty.
func variable(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}
