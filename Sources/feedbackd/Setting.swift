internal import FeedbackServer
internal import Logging
internal import RPC

/// A key of the configuration, and what its value may be.
///
/// This table is all there is to add for a key: the file's check, the environment, the command
/// line's help and the example file's test go by it.
struct Setting: Sendable {
    let key: String
    let kind: SettingKind
    let help: String

    init(_ key: String, _ kind: SettingKind, _ help: String) {
        self.key = key
        self.kind = kind
        self.help = help
    }

    /// The keys at the top level, besides `hooks`.
    static let all: [Setting] = [
        Setting("socket", .text, "The socket's path."),
        Setting("store", .text, "Where the feedback is kept: memory:, sqlite:PATH or mongodb://…"),
        Setting("mongodb_database", .text, "MongoDB's database. (default: the URI's or feedbackd)"),
        Setting("mongodb_collection", .text, "MongoDB's collection. (default: sessions)"),
        Setting(
            "alerts_file",
            .text,
            "Where alerts wait for their delivery when the store is MongoDB."
        ),
        Setting(
            "missing_session",
            .choice(MissingSessionPolicy.allCases.map(\.rawValue)),
            "What a write to an unknown session does. (default: create)"
        ),
        Setting("socket_mode", .mode, "The socket's permission bits, octal. (default: 0600)"),
        Setting("socket_group", .text, "The name of the socket's group."),
        Setting(
            "allow_uid",
            .list(.number(0...Int(UInt32.max) - 1), max: 1_000),
            "The only user ids that are served."
        ),
        Setting(
            "metrics_listen",
            .text,
            "Where Prometheus reads metrics: unix:PATH or 127.0.0.1:PORT. (default: nowhere)"
        ),
        Setting(
            "log_level",
            .choice(Logger.Level.allCases.map(\.rawValue)),
            "What is logged. (default: info)"
        ),
        Setting(
            "connections_max",
            .number(1...1_000_000),
            "How many connections are served at once. (default: 10000)"
        ),
        Setting(
            "calls_in_flight_max",
            .number(1...1_000_000),
            "How many calls of one connection are worked on at once. (default: 1024)"
        ),
        Setting(
            "frame_bytes_max",
            .number(1_024...RPCLimits().frameBytesMax),
            "The largest message, in bytes; at most 4194304, the default."
        ),
        Setting(
            "output_queue_bytes_max",
            .number(65_536...1 << 30),
            "What may wait to be written to one connection, in bytes. (default: 8388608)"
        ),
        Setting(
            "handshake_timeout",
            .number(1...3_600),
            "How long the beginning of a connection may take, in seconds. (default: 5)"
        ),
        Setting(
            "write_queue_max",
            .number(1...1_000_000),
            "How many writes may wait for the store. (default: 16384)"
        ),
        Setting(
            "drain_timeout",
            .number(0...3_600),
            "How long running calls may take when the daemon stops, in seconds. (default: 10)"
        ),
    ]
}

/// What a value may be.
indirect enum SettingKind: Sendable {
    /// Any text but an empty one.
    case text
    case number(ClosedRange<Int>)
    /// From 0 to less than 1.
    case share
    case flag
    case choice([String])
    /// Permission bits, octal.
    case mode
    case list(SettingKind, max: Int)
    /// Names and texts; as a list each is `NAME: TEXT`.
    case pairs(max: Int)

    /// Of one text, in bytes.
    static let textBytesMax = 65_536

    /// Which rule a value of one piece breaks, as a sentence about its key; nil if none.
    func fault(in text: String) -> String? { isValid(text) ? nil : rule }

    /// Which rule a list breaks; nil if none.
    func fault(in texts: [String]) -> String? {
        guard let (element, max) = element else { return rule }
        if texts.count > max { return "must have at most \(max) entries" }
        return texts.lazy.compactMap { element.fault(in: $0) }.first
    }

    /// What the entries of a list may be, and how many there may be; nil if it is no list.
    var element: (kind: SettingKind, max: Int)? {
        switch self {
        case .list(let element, let max): (element, max)
        case .pairs(let max): (.text, max)
        default: nil
        }
    }

    private func isValid(_ text: String) -> Bool {
        guard text.utf8.count <= Self.textBytesMax, !text.utf8.contains(0) else { return false }
        switch self {
        case .text: return !text.isEmpty
        case .number(let range): return Int(text).map(range.contains) == true
        case .share: return Double(text).map { (0..<1).contains($0) } == true
        case .flag: return text == "true" || text == "false"
        case .choice(let choices): return choices.contains(text)
        case .mode: return Self.mode(text) != nil
        case .list, .pairs: return false
        }
    }

    /// Permission bits with which the daemon itself reaches its socket: `0660`, `660` or `0o660`.
    static func mode(_ text: String) -> UInt32? {
        let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
        guard let bits = UInt32(digits, radix: 8), bits & ~0o777 == 0, bits & 0o600 == 0o600
        else { return nil }
        return bits
    }

    /// What would be accepted, as a sentence about its key.
    var rule: String {
        switch self {
        case .text: "must be a text of 1 to \(Self.textBytesMax) bytes"
        case .number(let range):
            "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .share: "must be a number from 0 to less than 1"
        case .flag: "must be true or false"
        case .choice(let choices) where choices.count == 2:
            "must be \(choices.joined(separator: " or "))"
        case .choice(let choices): "must be one of \(choices.joined(separator: ", "))"
        case .mode: "must be octal, from 0600 to 0777, like 0660"
        case .list: "must be a list"
        case .pairs: "must be names with a text each"
        }
    }
}

extension [Setting] {
    func first(_ key: String) -> Setting? { first { $0.key == key } }

    /// What to say about a key that is not among them.
    func explanation(of unknown: String, besides others: [String] = []) -> String {
        let keys = others + map(\.key)
        let near = keys.map { ($0, $0.editDistance(to: unknown)) }.min { $0.1 < $1.1 }
        let guess = near.flatMap { $0.1 <= 2 ? ": did you mean \($0.0)?" : nil } ?? ""
        return "is not a setting\(guess) (there are \(keys.joined(separator: ", ")))"
    }
}

extension String {
    /// How many bytes to insert, remove or replace (Levenshtein).
    fileprivate func editDistance(to other: String) -> Int {
        var row = Array(0...other.utf8.count)
        for (index, byte) in utf8.prefix(100).enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, otherByte) in other.utf8.enumerated() {
                let replaced = diagonal + (byte == otherByte ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = Swift.min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.utf8.count]
    }
}
