import FeedbackCore
import FeedbackModel

/// The place of a change in the stream of changes: the moment of its write, and its number among
/// the changes of that moment, from 1 on.
///
/// A reader that has come to a place has seen that change and all before it. The number 0 stands
/// before the first change of the moment.
struct StreamPlace: Comparable, Sendable {
    var time: ClusterTime
    var number: Int

    static func < (one: StreamPlace, other: StreamPlace) -> Bool {
        (one.time, one.number) < (other.time, other.number)
    }
}

/// The place of a feedback in what was there when a reader began.
///
/// The sessions are read in the order of their `_id`, and the changes since ``time`` after them.
struct ScanPlace: Sendable {
    /// The moment from which on changes have to be read.
    var time: ClusterTime
    /// The session up to which all is read, and the index in its array; nil before the first one.
    var last: (sessionID: String, index: Int64)?
}

/// The place of a reader in the log of a collection.
///
/// As a text it is the collection's UUID and the moment, in hexadecimal digits, and the number, with
/// hyphens between them; while a reader reads what was there at its beginning, the number is the
/// index in the session's array, and the session_id follows in hexadecimal digits. A reader of a
/// collection that does not exist, whose UUID is empty, is still at the beginning.
enum LogPlace: Sendable {
    case beginning
    case scan(ScanPlace, collection: String)
    case stream(StreamPlace, collection: String)

    /// Reads a position.
    ///
    /// - Throws: INVALID_ARGUMENT if it is none that this store gives.
    init(_ position: LogPosition) throws(CallError) {
        let text = position.text
        if position == Self.beginningPosition {
            self = .beginning
            return
        }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard text.utf8.count <= LogPosition.bytesMax, (3...4).contains(parts.count),
            let uuid = Self.bytes(parts[0]), uuid.count == 16,
            let time = Self.bytes(parts[1]), time.count == 8,
            parts[2].utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let number = Int(parts[2])
        else { throw .invalid("start_position", "must be a position that a stream gave") }
        let moment = ClusterTime(rawValue: time.reduce(0) { $0 << 8 | UInt64($1) })
        if parts.count == 3 {
            self = .stream(StreamPlace(time: moment, number: number), collection: parts[0])
            return
        }
        guard let session = Self.bytes(parts[3]).flatMap({ String(validating: $0, as: UTF8.self) })
        else { throw .invalid("start_position", "must be a position that a stream gave") }
        let place = ScanPlace(time: moment, last: (session, Int64(number)))
        self = .scan(place, collection: parts[0])
    }

    /// The position; nil if the session_id, of another program, is too long for one.
    var position: LogPosition? {
        switch self {
        case .beginning, .stream(_, collection: ""): return Self.beginningPosition
        case .stream(let place, let collection):
            return LogPosition("\(collection)-\(Self.digits(place.time))-\(place.number)")
        case .scan(let place, let collection):
            guard let last = place.last else { return Self.beginningPosition }
            let session = last.sessionID.utf8.map { Self.digits($0) }.joined()
            let text = "\(collection)-\(Self.digits(place.time))-\(last.index)-\(session)"
            return text.utf8.count <= LogPosition.bytesMax ? LogPosition(text) : nil
        }
    }

    static let beginningPosition = LogPosition("beginning")

    private static func digits(_ time: ClusterTime) -> String {
        withUnsafeBytes(of: time.rawValue.bigEndian) { $0.map(digits).joined() }
    }

    private static func digits(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// Returns the bytes of lower-case hexadecimal digits; nil if the text is none.
    private static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension CallError {
    /// Returns the refusal of a position.
    static func gone(_ reason: String) -> CallError {
        CallError(.outOfRange, "start_position: is \(reason): \(LogEpoch.remedy)")
    }
}
