/// A method that can be called, with the fields of its request.
enum RequestKind {
    case add(commentBytes: Int, requestIDs: RequestIDs)
    case list(pageSize: Int)
    case metrics
    case health
    case watch(follows: Bool, fromNow: Bool)
}

/// The request_ids of adds.
enum RequestIDs {
    case none
    /// The ids begin with the time, as those that clients make (UUIDs of version 7).
    case ascending
    /// Consecutive ids are far apart in an index.
    case random
}

/// The sessions to which the calls go.
enum SessionChoice {
    /// All calls go to this session; empty means every session, if the method allows that.
    case one(String)
    /// The calls go to `session-0000000` and so on in turn, to `count` sessions.
    case inTurn(count: Int)
}

/// A complete ttrpc request frame, built once; for each call, the digits that differ are changed in
/// place, and the frame is copied.
struct RequestTemplate: ~Copyable {
    private let frame: UnsafeMutableRawBufferPointer
    /// The offset of the request_id's first digit; nil if there is no request_id.
    private let requestIDDigits: Int?
    private var requestNumber: UInt64
    private let hashesRequestNumber: Bool
    /// The offset of the session_id's last digit; nil if all calls go to one session.
    private let sessionDigit: Int?
    private let sessionCount: Int
    private var session = 0

    /// Builds the frame.
    ///
    /// - Parameters:
    ///   - kind: the method and its request.
    ///   - sessions: the sessions to which the calls go.
    ///   - firstRequest: the number before that of the first request_id; they ascend from there.
    ///   - thread: the number of the thread, which is part of its request_ids.
    init(_ kind: RequestKind, sessions: SessionChoice, firstRequest: UInt64, thread: Int = 0) {
        requestNumber = firstRequest
        hashesRequestNumber = if case .add(_, .random) = kind { true } else { false }
        var payload = ProtoWriter()
        var sessionDigit: Int?
        switch sessions {
        case .one(let id):
            if !id.isEmpty { payload.append(1, id) }
            sessionCount = 1
        case .inTurn(let count):
            payload.append(1, "session-" + String(repeating: "0", count: Self.sessionDigits))
            sessionDigit = payload.bytes.count - 1
            sessionCount = count
        }
        let requestIDDigits = Self.appendFields(of: kind, thread: thread, to: &payload)

        let (service, method) = kind.name
        var envelope = ProtoWriter()
        envelope.append(1, service)
        envelope.append(2, method)
        envelope.append(3, payload.bytes)
        let payloadStart = TTRPCHeader.bytes + envelope.bytes.count - payload.bytes.count
        self.requestIDDigits = requestIDDigits.map { payloadStart + $0 }
        self.sessionDigit = sessionDigit.map { payloadStart + $0 }

        frame = .allocate(byteCount: TTRPCHeader.bytes + envelope.bytes.count, alignment: 8)
        TTRPCHeader.writeRequest(dataLength: envelope.bytes.count, to: frame)
        UnsafeMutableRawBufferPointer(rebasing: frame[TTRPCHeader.bytes...])
            .copyBytes(from: envelope.bytes)
    }

    deinit { frame.deallocate() }

    var frameBytes: Int { frame.count }

    /// Writes the next request, with the next request_id and session if they vary.
    mutating func writeNext(streamID: UInt32, to start: UnsafeMutableRawPointer) {
        if let requestIDDigits { writeRequestID(requestIDDigits) }
        if let sessionDigit {
            session += 1
            if session == sessionCount {
                session = 0
                for digit in 0..<Self.sessionDigits {
                    frame[sessionDigit - digit] = UInt8(ascii: "0")
                }
            } else {
                countUp(sessionDigit)
            }
        }
        TTRPCHeader.write(streamID: streamID, to: frame)
        UnsafeMutableRawBufferPointer(start: start, count: frame.count)
            .copyMemory(from: UnsafeRawBufferPointer(frame))
    }

    private func countUp(_ lastDigit: Int) {
        var digit = lastDigit
        while frame[digit] == UInt8(ascii: "9") {
            frame[digit] = UInt8(ascii: "0")
            digit -= 1
        }
        frame[digit] += 1
    }

    private mutating func writeRequestID(_ start: Int) {
        requestNumber &+= 1
        var number = requestNumber
        if hashesRequestNumber {
            // The finalizer of MurmurHash3 maps different numbers to different hashes.
            number = (number ^ number >> 33) &* 0xFF51_AFD7_ED55_8CCD
            number = (number ^ number >> 33) &* 0xC4CE_B9FE_1A85_EC53
            number ^= number >> 33
        }
        for digit in 0..<Self.numberDigits {
            let value = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * digit)) & 0xF
            frame[start + digit] = value + (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
        }
    }

    /// Appends the fields after the session_id; returns the offset of the request_id's first digit.
    private static func appendFields(
        of kind: RequestKind,
        thread: Int,
        to payload: inout ProtoWriter
    ) -> Int? {
        switch kind {
        case .add(let commentBytes, let requestIDs):
            payload.append(2, 1)
            if commentBytes > 0 { payload.append(3, String(repeating: "c", count: commentBytes)) }
            if case .none = requestIDs { return nil }
            let suffix = String(thread)
            let zeros = String(repeating: "0", count: requestIDBytes - suffix.utf8.count)
            payload.append(4, zeros + suffix)
            return payload.bytes.count - requestIDBytes
        case .list(let pageSize):
            if pageSize > 0 { payload.append(7, pageSize) }
            return nil
        case .watch(let follows, let fromNow):
            if fromNow { payload.append(3, 1) }
            if follows { payload.append(4, 1) }
            return nil
        case .metrics, .health:
            return nil
        }
    }

    /// The number of digits, which is enough for the maximum number of sessions.
    static let sessionDigits = 7
    /// The length of a request_id, which is that of a UUID.
    private static let requestIDBytes = 36
    private static let numberDigits = 16
}

extension RequestKind {
    fileprivate var name: (service: String, method: String) {
        switch self {
        case .add: ("feedback.v1.FeedbackService", "AddFeedback")
        case .list: ("feedback.v1.FeedbackService", "ListFeedbacks")
        case .metrics: ("feedback.v1.FeedbackService", "GetMetrics")
        case .watch: ("feedback.v1.FeedbackService", "WatchFeedbacks")
        case .health: ("grpc.health.v1.Health", "Check")
        }
    }
}

/// Encodes fields of protobuf messages.
private struct ProtoWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ field: Int, _ value: Int) {
        appendVarint(field << 3)
        appendVarint(value)
    }

    mutating func append(_ field: Int, _ text: String) { append(field, Array(text.utf8)) }

    mutating func append(_ field: Int, _ content: [UInt8]) {
        appendVarint(field << 3 | 2)
        appendVarint(content.count)
        bytes += content
    }

    private mutating func appendVarint(_ value: Int) {
        var rest = value
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F | 0x80))
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
