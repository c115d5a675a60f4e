import CMongoC
import FeedbackModel
import Glibc

/// A MongoDB connection string: the address of a deployment and its options.
///
/// It may contain a password, which is not part of the description.
public struct MongoURI: Sendable, Hashable, CustomStringConvertible {
    /// The servers, such as `mongodb://host:27017,other:27017`.
    public let description: String
    /// The database in the path; nil if there is none.
    public let database: String?
    private let text: String

    /// Returns true if the text has the scheme of a MongoDB connection string; it may still be
    /// invalid.
    public static func isMeant(by text: String) -> Bool {
        text.hasPrefix("mongodb://") || text.hasPrefix("mongodb+srv://")
    }

    /// Parses a connection string.
    ///
    /// - Throws: INVALID_ARGUMENT that describes the fault without repeating anything secret.
    public init(_ text: String) throws {
        let (result, warnings) = Mongoc.recordingWarnings { Result { try URIHandle(text) } }
        if let warning = warnings.first { throw CallError.uriOption(warning) }
        let handle = try result.get()
        try handle.checkDurability()
        try handle.checkNames()
        try handle.checkFiles()
        self.text = text
        description = handle.servers
        database = handle.database
    }

    /// Calls `body` with the connection string as a `mongoc_uri_t` with defaults for all options
    /// that it leaves open.
    ///
    /// The second argument is the time limit for an operation on the server, so that its answer
    /// arrives before the socket's timeout. `timeoutMax` bounds the connection and socket timeouts.
    func withDefaults<R>(
        timeoutMax: Duration? = nil,
        _ body: (OpaquePointer, Duration) throws -> R
    ) throws -> R {
        let handle = try URIHandle(text)
        handle.setDefaults()
        if let timeoutMax { handle.boundTimeouts(timeoutMax) }
        let timeMax = Duration.milliseconds(handle.serverMilliseconds)
        return try handle.withPointer { try body($0, timeMax) }
    }
}

/// A `mongoc_uri_t`.
private final class URIHandle {
    private let uri: OpaquePointer

    init(_ text: String) throws {
        var error = bson_error_t()
        guard let uri = mongoc_uri_new_with_error(text, &error) else {
            throw CallError.uriOption(
                withUnsafeBytes(of: error.message) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
            )
        }
        self.uri = uri
    }

    deinit { mongoc_uri_destroy(uri) }

    func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R { try body(uri) }

    var database: String? { mongoc_uri_get_database(uri).map { String(cString: $0) } }

    var servers: String {
        if let name = mongoc_uri_get_srv_hostname(uri) {
            return "mongodb+srv://\(String(cString: name))"
        }
        var names: [String] = []
        var host = mongoc_uri_get_hosts(uri)
        while let entry = host {
            names.append(
                withUnsafeBytes(of: entry.pointee.host_and_port) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
            )
            host = UnsafePointer(entry.pointee.next)
        }
        return "mongodb://\(names.joined(separator: ","))"
    }

    /// Checks the write concern.
    ///
    /// - Throws: INVALID_ARGUMENT if the options ask for less durability than this service
    ///   promises.
    func checkDurability() throws {
        let concern = mongoc_uri_get_write_concern(uri)
        let acknowledges = mongoc_write_concern_get_wmajority(concern)
        if !acknowledges, mongoc_write_concern_get_w(concern) != MONGOC_WRITE_CONCERN_W_DEFAULT {
            throw CallError.mongoURI("the option w must be majority, or not be given")
        }
        if mongoc_write_concern_journal_is_set(concern), !mongoc_write_concern_get_journal(concern)
        {
            throw CallError.mongoURI("the option journal must be true, or not be given")
        }
    }

    /// Checks names that libmongoc would check, or pass on to the server, only with each
    /// connection.
    ///
    /// - Throws: INVALID_ARGUMENT if an option has an unknown name as its value.
    func checkNames() throws {
        if let mechanism = mongoc_uri_get_auth_mechanism(uri) {
            try check(MONGOC_URI_AUTHMECHANISM, mechanism, Self.mechanisms)
        }
        if let level = mongoc_read_concern_get_level(mongoc_uri_get_read_concern(uri)) {
            try check(MONGOC_URI_READCONCERNLEVEL, level, Self.readConcernLevels)
        }
    }

    private func check(
        _ option: String,
        _ name: UnsafePointer<CChar>,
        _ known: [String]
    ) throws {
        if known.contains(String(cString: name)) { return }
        let names = known.joined(separator: ", ")
        throw CallError.mongoURI("the option \(option) must be one of \(names)")
    }

    private static let mechanisms = [
        "SCRAM-SHA-256", "SCRAM-SHA-1", "MONGODB-X509", "MONGODB-AWS", "GSSAPI", "PLAIN",
    ]

    private static let readConcernLevels = [
        "majority", "linearizable", "snapshot", "local", "available",
    ]

    /// Checks the files of TLS.
    ///
    /// - Throws: INVALID_ARGUMENT if one cannot be read.
    func checkFiles() throws {
        for option in [MONGOC_URI_TLSCAFILE, MONGOC_URI_TLSCERTIFICATEKEYFILE] {
            let path = mongoc_uri_get_option_as_utf8(uri, option, nil)
            if let path, access(path, R_OK) != 0 {
                throw CallError.mongoURI("the file of the option \(option) cannot be read")
            }
        }
    }

    func setDefaults() {
        setDefault(MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 5_000)
        setDefault(MONGOC_URI_CONNECTTIMEOUTMS, 5_000)
        setDefault(MONGOC_URI_SOCKETTIMEOUTMS, 10_000)
        if !mongoc_uri_has_option(uri, MONGOC_URI_RETRYWRITES) {
            mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, true)
        }
        if mongoc_uri_get_appname(uri) == nil { mongoc_uri_set_appname(uri, "feedbackd") }
        // With a timeout, a write that waits for other members is answered.
        let waitMilliseconds = mongoc_uri_get_option_as_int32(
            uri,
            MONGOC_URI_WTIMEOUTMS,
            serverMilliseconds
        )
        let concern = mongoc_write_concern_new()
        defer { mongoc_write_concern_destroy(concern) }
        mongoc_write_concern_set_wmajority(concern, waitMilliseconds)
        mongoc_write_concern_set_journal(concern, true)
        mongoc_uri_set_write_concern(uri, concern)
        if mongoc_read_concern_is_default(mongoc_uri_get_read_concern(uri)) {
            let concern = mongoc_read_concern_new()
            defer { mongoc_read_concern_destroy(concern) }
            mongoc_read_concern_set_level(concern, MONGOC_READ_CONCERN_LEVEL_MAJORITY)
            mongoc_uri_set_read_concern(uri, concern)
        }
    }

    /// The time limit for an operation on the server: four fifths of the socket's timeout.
    var serverMilliseconds: Int32 {
        max(1, mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 10_000) / 5 * 4)
    }

    func boundTimeouts(_ timeoutMax: Duration) {
        let bound = Int32(timeoutMax / .milliseconds(1))
        for option in [MONGOC_URI_CONNECTTIMEOUTMS, MONGOC_URI_SOCKETTIMEOUTMS] {
            let milliseconds = mongoc_uri_get_option_as_int32(uri, option, bound)
            mongoc_uri_set_option_as_int32(uri, option, min(milliseconds, bound))
        }
    }

    private func setDefault(_ option: String, _ milliseconds: Int32) {
        if mongoc_uri_get_option_as_int32(uri, option, 0) <= 0 {
            mongoc_uri_set_option_as_int32(uri, option, milliseconds)
        }
    }
}

extension CallError {
    /// Returns the error for a complaint of libmongoc about the URI, without its text, which may
    /// repeat any part of the URI.
    ///
    /// Only the name of an option is taken from it, which is between the first quotes.
    fileprivate static func uriOption(_ complaint: String) -> CallError {
        let parts = complaint.split(separator: "\"", omittingEmptySubsequences: false)
        let name = parts.count > 2 ? String(parts[1]) : ""
        if mongoc_uri_option_is_int32(name) || mongoc_uri_option_is_int64(name)
            || mongoc_uri_option_is_bool(name) || mongoc_uri_option_is_utf8(name)
        {
            return mongoURI("the option \(name) has a value that is not understood")
        }
        if complaint.hasPrefix("Unsupported URI option"), name.utf8.count <= 64,
            name.allSatisfy({ $0.isASCII && $0.isLetter })
        {
            return mongoURI("there is no option \(name)")
        }
        return mongoURI(
            "it must be mongodb://[USER:PASSWORD@]HOST[:PORT][,…][/DATABASE][?OPTION=VALUE&…], "
                + "with everything percent-encoded and options that do not exclude each other"
        )
    }

    fileprivate static func mongoURI(_ rule: String) -> CallError {
        CallError(.invalidArgument, "the store's MongoDB URI cannot be used: \(rule)")
    }
}
