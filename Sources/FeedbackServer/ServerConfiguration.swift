@_exported public import FeedbackCore
@_exported public import FeedbackModel
internal import Glibc
public import MongoStore
public import RPC

/// Where a server keeps its feedback.
public enum StoreLocation: Sendable, Hashable, CustomStringConvertible {
    /// In memory only.
    case memory
    /// In an SQLite database at that path.
    case sqlite(path: String)
    /// In MongoDB.
    case mongodb(MongoURI)

    /// Reads `memory:`, `sqlite:PATH`, or a MongoDB connection string.
    ///
    /// - Throws: INVALID_ARGUMENT that says what would be accepted. Nothing of the text is repeated,
    ///   since addresses of databases may hold secrets.
    public init(_ text: String) throws {
        if text == "memory:" {
            self = .memory
        } else if text.hasPrefix("sqlite:"), text.utf8.count > "sqlite:".utf8.count {
            self = .sqlite(path: String(text.dropFirst("sqlite:".count)))
        } else if MongoURI.isMeant(by: text) {
            self = .mongodb(try MongoURI(text))
        } else {
            throw FeedbackError(
                .invalidArgument,
                "the store must be memory:, sqlite:PATH or mongodb://…"
            )
        }
    }

    /// The database of a user who names none: `/var/lib/feedbackd/feedback.db` for root, else
    /// `feedbackd/feedback.db` under `$XDG_DATA_HOME` or `~/.local/share` (XDG Base Directory
    /// Specification).
    public static func conventional() throws -> StoreLocation {
        .sqlite(path: "\(try conventionalFolder())/feedback.db")
    }

    /// Where the files of a user are who names no place.
    static func conventionalFolder() throws -> String {
        if geteuid() == 0 { return "/var/lib/feedbackd" }
        if let data = variable("XDG_DATA_HOME") { return "\(data)/feedbackd" }
        guard let home = variable("HOME") else {
            throw FeedbackError(
                .failedPrecondition,
                "neither XDG_DATA_HOME nor HOME is set: name a store"
            )
        }
        return "\(home)/.local/share/feedbackd"
    }

    /// As it is given in the configuration, without secrets.
    public var description: String {
        switch self {
        case .memory: "memory:"
        case .sqlite(let path): "sqlite:\(path)"
        case .mongodb(let uri): uri.description
        }
    }
}

/// Everything that a server can be told.
public struct ServerConfiguration: Sendable {
    /// The socket's path; nil for the conventional place, whose folder is made if missing.
    public var socketPath: String?
    /// The permission bits of the socket.
    public var socketMode: UInt32 = 0o600
    /// The name of the socket's group; nil for the process's own.
    public var socketGroup: String?
    /// The users that are served; empty for everyone whom the socket's permissions let in.
    public var allowedUIDs: Set<UInt32> = []
    /// Where the feedback is kept; nil for the conventional place, whose folder is made if missing.
    public var store: StoreLocation?
    /// MongoDB's database; nil for the one that its URI names, or else `feedbackd`.
    public var mongoDatabase: String?
    /// MongoDB's collection; nil for `sessions`.
    public var mongoCollection: String?
    /// The SQLite file for alerts beside a MongoDB store; nil for `alerts.db` in the conventional
    /// place, whose folder is made if missing.
    public var alertsFile: String?
    /// Where the page with metrics for Prometheus is served, as `/metrics`; nil for nowhere.
    ///
    /// Needs ``FeedbackServer/collectMetrics()`` first.
    public var metricsListen: PageAddress?
    /// What happens on a write to an unknown session.
    public var missingSession = MissingSessionPolicy.create
    /// How long running calls may take to finish when the server stops.
    public var drainTimeout = Duration.seconds(10)
    /// The limits of connections, calls and bytes.
    public var limits = RPCLimits()
    /// The limits of the store's write queue.
    public var writeLimits = GroupCommitLimits()

    /// Makes the default configuration.
    public init() {}
}

/// An environment variable that is set and not empty.
func variable(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}
