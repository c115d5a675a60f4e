public import FeedbackCore
public import FeedbackModel
internal import Foundation
public import Logging
internal import Synchronization

/// A hook that sends alerts about feedback: to the log, a webhook, or a command.
///
/// The alert is queued in the transaction that stores the feedback, and delivered afterwards, at
/// least once. No call waits for the delivery or fails because of it. An alert that cannot be
/// delivered in time becomes a dead letter, which the service keeps, lists and retries on demand.
public final class NotificationHook: BackgroundHook {
    /// The destination of alerts.
    public enum Sink: Sendable, Hashable {
        /// Writes a log message, without the comment.
        case log
        /// Sends an HTTP POST to an http or https URL, with additional headers.
        case webhook(url: String, headers: [String: String])
        /// Runs a program, given by its absolute path and its arguments, which must exit with 0.
        case command([String])
    }

    /// The options of a notification hook.
    public struct Options: Sendable, Hashable {
        /// The rule that selects feedback; its name is the name of the hook and of its queue.
        public var rule: AlertRule
        /// The destination of the alerts.
        public var sink: Sink
        /// The template of an alert's title, which is the text of the log message and `{subject}`
        /// in the body.
        ///
        /// The placeholders are `{session_id} {rating} {timestamp} {count} {total_count} {comment}
        /// {feedback_id} {hook}`; any other text in braces is kept as it is.
        public var subject = "Negative feedback for session {session_id}"
        /// The template of the body, with the same placeholders and `{subject}`.
        ///
        /// Nil means a JSON object with all of them. In a body that begins with `{` or `[`, values
        /// are escaped as JSON.
        public var body: String?
        /// True to escape the values in the body as plain text for Slack, so that a comment with
        /// `<!channel>` mentions nobody; nil means true for Slack's own webhooks.
        public var escapesForSlack: Bool?
        /// True to include the comment.
        public var includesComment = true
        /// The path of a PEM file of the certificates that an https receiver is trusted by; nil for
        /// the system's.
        public var caFile: String?
        /// The maximum duration of one attempt.
        public var timeout = Duration.seconds(10)
        /// The time after queueing during which attempts may begin.
        public var giveUpAfter = Duration.seconds(86_400)

        /// Makes options.
        public init(rule: AlertRule, sink: Sink) {
            self.rule = rule
            self.sink = sink
        }
    }

    /// The hook's name, which is that of its rule.
    public var name: String { options.rule.name }
    /// See ``BackgroundHook``.
    public var alertRule: AlertRule? { options.rule }

    private let options: Options
    /// The rule's ratings; an array, since a search of at most three is faster than a set's.
    private let told: [Rating]
    private let instruments: AlertInstruments
    private let sink: any AlertSink
    private let backoff: AlertDelivery.Backoff
    private let logger: Logger
    private let delivering = Mutex<Task<Void, Never>?>(nil)
    private let wakeup = Wakeup()

    /// Makes a hook that delivers nothing before ``start(_:)``.
    ///
    /// - Throws: INVALID_ARGUMENT that names the option at fault, without its value.
    public convenience init(_ options: Options, logger: Logger) throws {
        try self.init(options, backoff: AlertDelivery.Backoff(), logger: logger)
    }

    init(_ options: Options, backoff: AlertDelivery.Backoff, logger: Logger) throws {
        try options.check()
        let body = try AlertBody(options)
        sink =
            switch options.sink {
            case .log: LogSink(body: body, logger: logger)
            case .webhook(let url, let headers):
                WebhookSink(url: url, headers: headers, body: body, options: options)
            case .command(let command):
                CommandSink(command: command, body: body, timeout: options.timeout)
            }
        self.options = options
        told = Array(options.rule.ratings)
        instruments = AlertInstruments(hook: options.rule.name)
        self.backoff = backoff
        self.logger = logger
    }

    /// See ``FeedbackHook``.
    public func intercept(
        _ change: Change,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> ChangeOutcome {
        guard case .add = change else { return try await next(change) }
        do {
            let outcome = try await next(change)
            if case .added(let added) = outcome, !told.contains(added.feedback.rating) {
                return outcome
            }
            wakeup.signal()
            return outcome
        } catch {
            // A hook further inside may have thrown after the feedback was stored.
            wakeup.signal()
            throw error
        }
    }

    /// See ``BackgroundHook``.
    public func start(_ outbox: any AlertOutbox) {
        let delivery = AlertDelivery(
            rule: options.rule.name,
            sink: sink,
            outbox: outbox,
            giveUpAfter: options.giveUpAfter,
            backoff: backoff,
            instruments: instruments,
            logger: logger
        )
        delivering.withLock { [wakeup] in $0 = Task { await delivery.run(wakeup) } }
    }

    /// See ``BackgroundHook``.
    public func outboxChanged() { wakeup.signal() }

    /// See ``BackgroundHook``.
    public func stop() async {
        let task = delivering.withLock { $0 }
        task?.cancel()
        await task?.value
    }
}

extension NotificationHook.Options {
    var isForSlack: Bool {
        if let escapesForSlack { return escapesForSlack }
        guard case .webhook(let url, _) = sink else { return false }
        return URLComponents(string: url)?.host?.lowercased() == "hooks.slack.com"
    }

    /// Checks the options.
    ///
    /// - Throws: INVALID_ARGUMENT that names the option at fault, without its value.
    fileprivate func check() throws(CallError) {
        switch rule.condition {
        case .every: break
        case .inARow(let length), .share(let length, _):
            guard (2...AlertRule.windowMax).contains(length) else {
                throw .invalid("condition", "must look at 2 to \(AlertRule.windowMax) feedbacks")
            }
        }
        if case .share(_, let limit) = rule.condition, !(0..<1).contains(limit) {
            throw .invalid("condition", "the share must be from 0 to less than 1")
        }
        guard !rule.ratings.isEmpty else { throw .invalid("ratings", "must not be empty") }
        guard timeout >= .milliseconds(1), giveUpAfter >= .zero else {
            throw .invalid("timeout", "must be positive")
        }
        if let caFile {
            guard case .webhook = sink else { throw .invalid("ca_file", "needs a webhook_url") }
            guard FileManager.default.isReadableFile(atPath: caFile) else {
                throw .invalid("ca_file", "must be a file that can be read")
            }
        }
        switch sink {
        case .log: break
        case .webhook(let url, let headers):
            let parts = URLComponents(string: url)
            let scheme = parts?.scheme?.lowercased()
            guard scheme == "http" || scheme == "https", parts?.host?.isEmpty == false else {
                throw .invalid("webhook_url", "must be an http or https URL")
            }
            for (name, value) in headers {
                guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenCharacter) else {
                    throw .invalid("headers", "names must be tokens, as RFC 9110 has them")
                }
                guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                    throw .invalid("headers", "values must be without control characters")
                }
            }
        case .command(let command):
            guard command.first?.hasPrefix("/") == true else {
                throw .invalid("command", "must begin with the absolute path of a program")
            }
        }
    }
}

extension UInt8 {
    fileprivate var isTokenCharacter: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
