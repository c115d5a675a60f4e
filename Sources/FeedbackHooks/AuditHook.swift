public import FeedbackCore
package import FeedbackModel
public import Logging

/// Writes down every add before and after it happens, failures too.
///
/// In a file a line is a JSON object, with a newline at its end:
///
///     {"time":"2026-01-22T15:00:00.000Z","event":"before","hook":"audit","call":7,
///      "session_id":"user-123","rating":"down","comment_length":21,"pid":4711,"uid":1000}
///     {"time":…,"event":"after","hook":"audit","call":7,"session_id":"user-123","rating":"down",
///      "comment_length":21,"feedback_id":"0197…","replayed":false,"duration_us":412,…}
///     {"time":…,"event":"failed",…,"code":"INVALID_ARGUMENT","duration_us":9,…}
///
/// `call` joins the lines of one add within a run of the program. Before and after a failure, rating
/// and comment are those that came to this hook; after, those that were stored. `comment_length` is
/// in code points. `request_id` is there if the caller named one, `pid` and `uid` of the caller if
/// it is another process, and `comment` only if ``Options/includesComment``.
///
/// Lines are appended by one write(2) each, or two of one add together, from the thread of the call:
/// those of several threads and processes do not mix. They are in the kernel's hands then, not yet on
/// the disk.
public final class AuditHook: ImmediateHook {
    /// What an audit hook can be told.
    public struct Options: Sendable, Hashable {
        /// The path of a regular file that is appended to; nil for none.
        ///
        /// It is made for the owner alone (0600) if it is not there. It may not be a symbolic link.
        public var file: String?
        /// Whether to write log lines of level info; nil for whenever there is no file.
        public var log: Bool?
        /// Whether the comment itself is written, besides its length.
        public var includesComment = false
        /// Whether an add needs its lines in the file to succeed.
        ///
        /// It is UNAVAILABLE otherwise: nothing is stored without a line before, and nothing is
        /// answered with OK without a line after. A caller who then repeats the call with the same
        /// request_id gets the original once the file can be written again.
        public var isRequired = false

        /// Makes the default options: log lines.
        public init() {}
    }

    /// See ``FeedbackHook``.
    public let name: String
    private let options: Options
    private let file: AuditFile?
    private let logger: Logger?

    /// Makes a hook and opens its file.
    ///
    /// - Parameters:
    ///   - options: what to write, and where.
    ///   - name: stands in every line, to tell several audit hooks apart.
    ///   - logger: where the log lines go, and what becomes of the file.
    /// - Throws: INVALID_ARGUMENT if nothing would be written; FAILED_PRECONDITION if the file cannot
    ///   be opened.
    public convenience init(
        _ options: Options = Options(),
        name: String = "audit",
        logger: Logger = Logger(label: "feedbackd")
    ) throws {
        let logs = options.log ?? (options.file == nil)
        guard logs || options.file != nil else {
            throw FeedbackError.invalid("log", "must be true where no file is named")
        }
        guard options.file != nil || !options.isRequired else {
            throw FeedbackError.invalid("required", "must be false where no file is named")
        }
        let file = try options.file.map { try AuditFile($0, logger: logger) }
        self.init(options, name: name, file: file, logger: logs ? logger : nil)
    }

    init(_ options: Options, name: String, file: AuditFile?, logger: Logger?) {
        self.name = name
        self.options = options
        self.file = file
        self.logger = logger
    }

    package func begin(
        _ feedback: inout FeedbackDraft,
        context: HookContext
    ) throws -> HookEnding? {
        let call = AuditedCall(context)
        let before = record(.before, of: call)
        log(before, feedback)
        // A line that is required must be there before anything is stored. Otherwise there is nothing
        // to be seen between two lines of which the second follows at once.
        let isHeld = context.endsAtOnce && !options.isRequired
        if !isHeld { try append(before, feedback) }
        return HookEnding { [self, feedback] outcome in
            let held = isHeld ? (before, feedback) : nil
            switch outcome {
            case .success(let added):
                let event = AuditRecord.Event.after(added.feedback.id, replayed: added.replayed)
                try end(record(event, of: call), added.feedback.draft, held)
            case .failure(let error):
                // The failure itself is what the caller has to know.
                let event = AuditRecord.Event.failed(FeedbackError.Code(of: error))
                try? end(record(event, of: call), feedback, held)
            }
        }
    }

    private func record(_ event: AuditRecord.Event, of call: AuditedCall) -> AuditRecord {
        AuditRecord(
            hook: name,
            call: call,
            event: event,
            includesComment: options.includesComment
        )
    }

    private func end(
        _ record: AuditRecord,
        _ feedback: FeedbackDraft,
        _ held: (AuditRecord, FeedbackDraft)?
    ) throws {
        log(record, feedback)
        guard let (before, former) = held else { return try append(record, feedback) }
        guard let file else { return }
        let size = before.lineBytesMax(former) + record.lineBytesMax(feedback)
        var lines = JSONLine(bytesMax: size)
        before.put(former, to: &lines)
        record.put(feedback, to: &lines)
        _ = file.append(lines, count: 2)
    }

    private func log(_ record: AuditRecord, _ feedback: FeedbackDraft) {
        logger?.info("feedback \(record.event.name)", metadata: record.metadata(feedback))
    }

    private func append(_ record: AuditRecord, _ feedback: FeedbackDraft) throws {
        guard let file else { return }
        var line = JSONLine(bytesMax: record.lineBytesMax(feedback))
        record.put(feedback, to: &line)
        if !file.append(line, count: 1), options.isRequired {
            throw FeedbackError(.unavailable, "the audit log cannot be written")
        }
    }
}
