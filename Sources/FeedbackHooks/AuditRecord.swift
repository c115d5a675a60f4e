internal import FeedbackCore
internal import FeedbackModel
internal import Glibc
internal import Logging

/// What is written down about a moment of an add.
struct AuditRecord {
    enum Event {
        case before
        case after(FeedbackID?, replayed: Bool)
        case failed(FeedbackError.Code)

        var name: String {
            switch self {
            case .before: "before"
            case .after: "after"
            case .failed: "failed"
            }
        }
    }

    let hook: String
    let call: Int
    let peer: Peer?
    let includesComment: Bool
    private(set) var event = Event.before
    private let begin = Timestamp.now
    private let beginNanoseconds = monotonicNanoseconds()
    private var durationMicroseconds: Int64 = 0

    init(hook: String, call: Int, peer: Peer?, includesComment: Bool) {
        self.hook = hook
        self.call = call
        self.peer = peer
        self.includesComment = includesComment
    }

    mutating func end(_ event: Event) {
        self.event = event
        durationMicroseconds = (Self.monotonicNanoseconds() - beginNanoseconds) / 1_000
    }

    /// The beginning plus the time since: one reading of the clock, and never a step back.
    private var time: Timestamp {
        Timestamp(
            millisecondsSinceEpoch: begin.millisecondsSinceEpoch + durationMicroseconds / 1_000
        )
    }

    /// Lends the line with its newline.
    func withLine<Result>(
        _ feedback: FeedbackDraft,
        _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        // Names, numbers and punctuation take less than 400 bytes; an escaped byte takes at most six.
        var texts = hook.utf8.count + feedback.sessionID.utf8.count + feedback.requestID.utf8.count
        if includesComment { texts += feedback.comment.utf8.count }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 400 + 6 * texts) { bytes in
            var line = JSONLine(bytes)
            line.put("{\"time\":\"")
            line.put(time)
            line.put("\",\"event\":")
            line.put(quoted: event.name)
            line.put(",\"hook\":")
            line.put(quoted: hook)
            line.put(",\"call\":")
            line.put(Int64(call))
            line.put(",\"session_id\":")
            line.put(quoted: feedback.sessionID)
            if !feedback.requestID.isEmpty {
                line.put(",\"request_id\":")
                line.put(quoted: feedback.requestID)
            }
            line.put(",\"rating\":")
            line.put(quoted: feedback.rating.name)
            line.put(",\"comment_length\":")
            line.put(Int64(feedback.comment.codePointCount))
            if includesComment {
                line.put(",\"comment\":")
                line.put(quoted: feedback.comment)
            }
            switch event {
            case .before: break
            case .after(let id, let replayed):
                if let id {
                    line.put(",\"feedback_id\":")
                    line.put(quoted: id.description)
                }
                line.put(replayed ? ",\"replayed\":true" : ",\"replayed\":false")
                line.put(",\"duration_us\":")
                line.put(durationMicroseconds)
            case .failed(let code):
                line.put(",\"code\":")
                line.put(quoted: code.name)
                line.put(",\"duration_us\":")
                line.put(durationMicroseconds)
            }
            if let peer {
                line.put(",\"pid\":")
                line.put(Int64(peer.pid))
                line.put(",\"uid\":")
                line.put(Int64(peer.uid))
            }
            line.put("}\n")
            return body(line.written)
        }
    }

    /// The same for a log line, which brings its own time.
    func metadata(_ feedback: FeedbackDraft) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "hook": "\(hook)", "call": "\(call)", "session_id": "\(feedback.sessionID.onOneLine)",
            "rating": "\(feedback.rating.name)",
            "comment_length": "\(feedback.comment.codePointCount)",
        ]
        if !feedback.requestID.isEmpty {
            metadata["request_id"] = "\(feedback.requestID.onOneLine)"
        }
        if includesComment { metadata["comment"] = "\(feedback.comment.onOneLine)" }
        switch event {
        case .before: break
        case .after(let id, let replayed):
            if let id { metadata["feedback_id"] = "\(id)" }
            metadata["replayed"] = "\(replayed)"
            metadata["duration_us"] = "\(durationMicroseconds)"
        case .failed(let code):
            metadata["code"] = "\(code.name)"
            metadata["duration_us"] = "\(durationMicroseconds)"
        }
        if let peer {
            metadata["pid"] = "\(peer.pid)"
            metadata["uid"] = "\(peer.uid)"
        }
        return metadata
    }

    private static func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// Writes JSON into memory that is large enough.
private struct JSONLine {
    private let bytes: UnsafeMutableBufferPointer<UInt8>
    private var count = 0

    init(_ bytes: UnsafeMutableBufferPointer<UInt8>) { self.bytes = bytes }

    var written: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<count])
    }

    mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func put(_ moment: Timestamp) {
        moment.write(to: UnsafeMutableBufferPointer(rebasing: bytes[count...]))
        count += Timestamp.textBytes
    }

    mutating func put(_ number: Int64) {
        if number < 0 { put(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = count
        repeat {
            put(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start..<count].reverse()
    }

    /// Besides what JSON demands, escapes what a terminal or a reader of lines would take for a
    /// command or an end of line: DEL, U+0080 to U+009F, U+2028 and U+2029.
    mutating func put(quoted text: String) {
        put(UInt8(ascii: "\""))
        text.withUTF8Bytes { utf8 in
            // Most texts need no escape, which a look at all bytes at once finds out.
            let isPlain = utf8.reduce(true) { isPlain, byte in
                isPlain
                    && !(byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                        || byte == 0x7F || byte == 0xC2 || byte == 0xE2)
            }
            if isPlain { return put(utf8) }
            var index = 0
            while index < utf8.count {
                let byte = utf8[index]
                index += 1
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    put(UInt8(ascii: "\\"))
                    put(byte)
                case 0..<0x20, 0x7F: putEscape(UInt16(byte))
                case 0xC2 where utf8[index] < 0xA0:
                    putEscape(UInt16(utf8[index]))
                    index += 1
                case 0xE2 where utf8[index] == 0x80 && utf8[index + 1] & 0xFE == 0xA8:
                    putEscape(0x2000 | UInt16(utf8[index + 1] & 0x3F))
                    index += 2
                default: put(byte)
                }
            }
        }
        put(UInt8(ascii: "\""))
    }

    private mutating func putEscape(_ unit: UInt16) {
        put("\\u")
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(unit >> shift & 0xF)
            put(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10))
        }
    }

    private mutating func put(_ text: UnsafeRawBufferPointer) {
        guard let start = text.baseAddress, let end = bytes.baseAddress else { return }
        memcpy(end + count, start, text.count)
        count += text.count
    }

    private mutating func put(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }
}
