public import FeedbackCore
public import FeedbackModel
public import Logging

/// A hook that logs every add before and after it, failures included.
///
/// In a file, each line is a JSON object:
///
///     {"time":"2026-01-22T15:00:00.000Z","event":"before","hook":"audit","call":7,
///      "session_id":"user-123","rating":"down","comment_length":21,"pid":4711,"uid":1000}
///     {"time":…,"event":"after","hook":"audit","call":7,"session_id":"user-123","rating":"down",
///      "comment_length":21,"feedback_id":"0197…","replayed":false,"duration_us":412,…}
///     {"time":…,"event":"failed",…,"code":"INVALID_ARGUMENT","duration_us":9,…}
///
/// `call` is the same in the lines of one add, and unique within a run of the program. The rating
/// and the comment in lines of `before` and `failed` are those that this hook received; in lines of
/// `after`, those that were stored. `comment_length` is in code points. `request_id` is present if
/// the caller gave one, `pid` and `uid` of the caller if it is another process, and `comment` only
/// if ``Options/includesComment`` is true.
///
/// Each line is appended by one write(2), from the thread of the call: the lines of several threads
/// and processes do not mix. They are then in the kernel's page cache, not yet on the disk.
public final class AuditHook: FeedbackHook {
    /// The options of an audit hook.
    public struct Options: Sendable, Hashable {
        /// The path of a regular file to which lines are appended; nil for no file.
        ///
        /// A file that does not exist is created with mode 0600. The path must not be a symbolic
        /// link.
        public var file: String?
        /// True to write log messages of level info; nil means true if there is no file.
        public var log: Bool?
        /// True to write the comment itself, not only its length.
        public var includesComment = false
        /// True if an add succeeds only if its lines are in the file.
        ///
        /// An add whose lines cannot be written is answered with UNAVAILABLE: nothing is stored
        /// without a line of `before`, and no add is answered with OK without a line of `after`. A
        /// caller that repeats the call with the same request_id gets the original once the file
        /// can be written again.
        public var isRequired = false

        /// Makes the default options: log messages only.
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
    ///   - name: the hook's name, which is part of every line.
    ///   - logger: the destination of log messages, and of messages about failures of the file.
    /// - Throws: INVALID_ARGUMENT if nothing would be written; FAILED_PRECONDITION if the file
    ///   cannot be opened.
    public convenience init(
        _ options: Options = Options(),
        name: String = "audit",
        logger: Logger = Logger(label: "feedbackd")
    ) throws {
        let logs = options.log ?? (options.file == nil)
        guard logs || options.file != nil else {
            throw CallError.invalid("log", "must be true where no file is named")
        }
        guard options.file != nil || !options.isRequired else {
            throw CallError.invalid("required", "must be false where no file is named")
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

    /// See ``FeedbackHook``.
    public func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        guard case .add(let feedback) = change else { return try await next(change) }
        let call = AuditedCall(context)
        try write(record(.before, of: call), feedback)
        let outcome: ChangeOutcome
        do {
            outcome = try await next(change)
        } catch {
            // The caller has to know the failure of the add, not that of the file.
            try? write(record(.failed(CallError(error).code), of: call), feedback)
            throw error
        }
        if case .added(let added) = outcome {
            let event = AuditRecord.Event.after(added.feedback.id, replayed: added.replayed)
            try write(record(event, of: call), added.feedback.draft)
        }
        return outcome
    }

    private func record(_ event: AuditRecord.Event, of call: AuditedCall) -> AuditRecord {
        AuditRecord(
            hook: name,
            call: call,
            event: event,
            includesComment: options.includesComment
        )
    }

    private func write(_ record: AuditRecord, _ feedback: FeedbackDraft) throws {
        logger?.info("feedback \(record.event.name)", metadata: record.metadata(feedback))
        guard let file else { return }
        var line = JSONLine(bytesMax: record.lineBytesMax(feedback))
        record.put(feedback, to: &line)
        if !file.append(line), options.isRequired {
            throw CallError(.unavailable, "the audit log cannot be written")
        }
    }
}
