internal import FeedbackCore
internal import FeedbackModel
internal import Glibc
internal import Logging

/// The values that are common to the lines of one add.
struct AuditedCall {
    let number: Int
    let peer: PeerCredentials?
    fileprivate let begin = Timestamp.now
    private let beginNanoseconds = monotonicNanoseconds()

    init(_ context: HookContext) {
        number = context.number
        peer = context.call.peer
    }

    fileprivate var microseconds: Int64 {
        (Self.monotonicNanoseconds() - beginNanoseconds) / 1_000
    }

    private static func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// A line of the audit log.
struct AuditRecord {
    enum Event {
        case before
        case after(FeedbackID?, replayed: Bool)
        case failed(CallError.Code)

        var name: String {
            switch self {
            case .before: "before"
            case .after: "after"
            case .failed: "failed"
            }
        }
    }

    let hook: String
    let call: AuditedCall
    let event: Event
    let includesComment: Bool
    private let durationMicroseconds: Int64

    init(hook: String, call: AuditedCall, event: Event, includesComment: Bool) {
        self.hook = hook
        self.call = call
        self.event = event
        self.includesComment = includesComment
        durationMicroseconds = if case .before = event { 0 } else { call.microseconds }
    }

    /// The start of the call plus the time since then: the wall clock is read once, so that the
    /// times of a call never go back.
    private var time: Timestamp {
        call.begin.advanced(byMilliseconds: durationMicroseconds / 1_000)
    }

    /// Returns an upper bound of the line's length in bytes.
    func lineBytesMax(_ feedback: FeedbackDraft) -> Int {
        // Names, numbers and punctuation take less than 400 bytes; an escaped byte takes at most
        // six.
        var texts = hook.utf8.count + feedback.sessionID.utf8.count + feedback.requestID.utf8.count
        if includesComment { texts += feedback.comment.utf8.count }
        return 400 + 6 * texts
    }

    /// Writes the line with its newline.
    func put(_ feedback: FeedbackDraft, to line: inout JSONLine) {
        line.put("{\"time\":\"")
        line.put(time)
        switch event {
        case .before: line.put("\",\"event\":\"before\",\"hook\":")
        case .after: line.put("\",\"event\":\"after\",\"hook\":")
        case .failed: line.put("\",\"event\":\"failed\",\"hook\":")
        }
        line.put(quoted: hook)
        line.put(",\"call\":")
        line.put(Int64(call.number))
        putFeedback(feedback, in: &line)
        putOutcome(in: &line)
        if let peer = call.peer {
            line.put(",\"pid\":")
            line.put(Int64(peer.pid))
            line.put(",\"uid\":")
            line.put(Int64(peer.uid))
        }
        line.put("}\n")
    }

    private func putFeedback(_ feedback: FeedbackDraft, in line: inout JSONLine) {
        line.put(",\"session_id\":")
        line.put(quoted: feedback.sessionID)
        if !feedback.requestID.isEmpty {
            line.put(",\"request_id\":")
            line.put(quoted: feedback.requestID)
        }
        switch feedback.rating {
        case .up: line.put(",\"rating\":\"up\",\"comment_length\":")
        case .down: line.put(",\"rating\":\"down\",\"comment_length\":")
        case .none: line.put(",\"rating\":\"none\",\"comment_length\":")
        }
        line.put(Int64(feedback.comment.codePointCount))
        if includesComment {
            line.put(",\"comment\":")
            line.put(quoted: feedback.comment)
        }
    }

    private func putOutcome(in line: inout JSONLine) {
        switch event {
        case .before: return
        case .after(let id, let replayed):
            if let id {
                line.put(",\"feedback_id\":\"")
                line.put(id)
                line.put("\"")
            }
            line.put(replayed ? ",\"replayed\":true" : ",\"replayed\":false")
        case .failed(let code):
            line.put(",\"code\":")
            line.put(quoted: code.name)
        }
        line.put(",\"duration_us\":")
        line.put(durationMicroseconds)
    }

    /// Returns the line's values as metadata of a log message, which has a time of its own.
    func metadata(_ feedback: FeedbackDraft) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "hook": "\(hook)", "call": "\(call.number)",
            "session_id": "\(feedback.sessionID.onOneLine)",
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
        if let peer = call.peer {
            metadata["pid"] = "\(peer.pid)"
            metadata["uid"] = "\(peer.uid)"
        }
        return metadata
    }
}
