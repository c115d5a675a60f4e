public import FeedbackCore
public import FeedbackModel
internal import Synchronization

/// A hook that refuses useless feedback and normalizes the rest.
///
/// The checks are made in this order: a comment that is missing, too long or refused is answered
/// with INVALID_ARGUMENT; more adds than allowed are answered with RESOURCE_EXHAUSTED and the time
/// after which another may pass. An accepted feedback loses the white space around its comment and
/// gets the attribute `_validated_at`.
///
///     var options = ValidationHook.Options()
///     options.requireCommentOn = [.down]
///     let hook = try ValidationHook(options)
public final class ValidationHook: FeedbackHook {
    /// The options of a validation hook; by default only comments of more than 1,000 code points
    /// are refused.
    public struct Options: Sendable, Hashable {
        /// The ratings that need a comment; a comment of white space only does not count.
        public var requireCommentOn: Set<Rating> = []
        /// The maximum length of a comment, in code points, including the white space around it; 1
        /// to ``FieldLimits/commentCodePointsMax``.
        public var commentMax = 1_000
        /// Words that a comment must not contain, in any case; see ``RefusedText/wordsMax``.
        public var refusedWords: [String] = []
        /// Regular expressions, in ICU's syntax, that a comment must not match, in any case; see
        /// ``RefusedText/patternsMax``.
        public var refusedPatterns: [String] = []
        /// The maximum number of adds for one session within a minute; nil for no limit.
        public var addsPerMinutePerSession: Int?
        /// The maximum number of adds by one process within a minute; nil for no limit.
        ///
        /// Calls from within the server's own process are not counted.
        public var addsPerMinutePerPeer: Int?

        /// Makes the default options.
        public init() {}
    }

    /// The maximum of both limits of adds within a minute; the minimum is 1.
    public static let addsPerMinuteMax = 1_000_000

    /// The key of the attribute with the time at which the feedback was accepted, in UTC (RFC 3339
    /// with milliseconds).
    ///
    /// A value from the caller is replaced. The attribute is left out of a feedback that has the
    /// maximum number of attributes already.
    public static let validatedAt = "_validated_at"

    /// See ``FeedbackHook``.
    public let name: String
    private let options: Options
    private let refusedText: RefusedText?
    private let limiter: RateLimiter?
    /// The last stamp: under load, many feedbacks pass in the same millisecond and share it.
    private let lastStamp = Mutex(Stamp(Timestamp(millisecondsSinceEpoch: 0)))

    /// The attributes that are added to feedback which passes at `moment`.
    private struct Stamp {
        let moment: Timestamp
        let attributes: Attributes

        init(_ moment: Timestamp) {
            self.moment = moment
            attributes = [validatedAt: moment.description]
        }
    }

    /// Makes a hook.
    ///
    /// - Parameters:
    ///   - options: what to refuse.
    ///   - name: the hook's name, which distinguishes several validation hooks.
    /// - Throws: INVALID_ARGUMENT that names the option and the accepted values.
    public convenience init(
        _ options: Options = Options(),
        name: String = "validation"
    ) throws {
        try self.init(options, name: name, clock: { .now })
    }

    init(
        _ options: Options,
        name: String = "validation",
        clock: @escaping RateLimiter.Clock
    ) throws {
        self.name = name
        let lengths = 1...FieldLimits.commentCodePointsMax
        guard lengths.contains(options.commentMax) else {
            throw CallError.invalid(
                "comment_max",
                "must be \(lengths.lowerBound) to \(lengths.upperBound)"
            )
        }
        self.options = options
        refusedText = try RefusedText(
            words: options.refusedWords,
            patterns: options.refusedPatterns
        )
        limiter = try RateLimiter(
            perSession: options.addsPerMinutePerSession,
            perPeer: options.addsPerMinutePerPeer,
            clock: clock
        )
    }

    /// See ``FeedbackHook``.
    public func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        guard case .add(var feedback) = change else { return try await next(change) }
        try checkComment(&feedback)
        try limiter?.pass(session: context.sessionID, peer: context.call.peer)
        stamp(&feedback.attributes)
        return try await next(.add(feedback))
    }

    private func stamp(_ attributes: inout Attributes) {
        let now = Timestamp.now
        let stamp = lastStamp.withLock { last in
            if last.moment != now { last = Stamp(now) }
            return last.attributes
        }
        if attributes.isEmpty {
            attributes = stamp
        } else if attributes.count < FieldLimits.attributesMax
            || attributes[Self.validatedAt] != nil
        {
            attributes.merge(stamp) { _, stamp in stamp }
        }
    }

    private func checkComment(_ feedback: inout FeedbackDraft) throws {
        let stripped = feedback.comment.strippedAsPythonDoes
        let isEmpty = stripped?.isEmpty ?? feedback.comment.isEmpty
        if isEmpty, options.requireCommentOn.contains(feedback.rating) {
            throw Self.veto(
                "Please provide a comment with \(feedback.rating.adjective) feedback",
                "must not be empty or white space only"
            )
        }
        // A code point has at least one byte: most comments need no counting.
        if feedback.comment.utf8.count > options.commentMax {
            let length = feedback.comment.codePointCount
            guard length <= options.commentMax else {
                throw Self.veto(
                    "Comment too long: \(length) chars (max: \(options.commentMax))",
                    "must be at most \(options.commentMax) code points, has \(length)"
                )
            }
        }
        if let stripped { feedback.comment = stripped }
        if !isEmpty, let reason = refusedText?.reasonToRefuse(feedback.comment) {
            throw Self.veto("Comment \(reason)", reason)
        }
    }

    private static func veto(_ message: String, _ rule: String) -> CallError {
        CallError(
            .invalidArgument,
            message,
            violations: [CallError.FieldViolation(field: "comment", description: rule)]
        )
    }
}

extension Rating {
    fileprivate var adjective: String {
        switch self {
        case .up: "positive"
        case .down: "negative"
        case .none: "neutral"
        }
    }
}

extension String {
    /// The text without the white space at both ends, as Python's `str.strip()` returns it; nil if
    /// there is none.
    var strippedAsPythonDoes: String? {
        guard let first = unicodeScalars.first, let last = unicodeScalars.last,
            first.isPythonSpace || last.isPythonSpace
        else { return nil }
        let scalars = unicodeScalars.drop { $0.isPythonSpace }
        guard let end = scalars.lastIndex(where: { !$0.isPythonSpace }) else { return "" }
        return String(scalars[...end])
    }
}

extension Unicode.Scalar {
    /// True if Python's `str.isspace()` is: the bidirectional types WS, B and S, and the general
    /// category Zs (docs.python.org, "Built-in Types").
    ///
    /// The values are those of `[hex(c) for c in range(0x110000) if chr(c).isspace()]`, the same in
    /// Python 3.3 to 3.13.
    var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F,
            0x205F, 0x3000:
            true
        default: false
        }
    }
}
