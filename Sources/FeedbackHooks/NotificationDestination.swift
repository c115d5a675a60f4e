internal import CoreMetrics
internal import Dispatch
public import FeedbackCore
public import FeedbackModel
internal import Foundation
public import Logging

/// A destination of alerts about feedback: the log, a webhook, or a command.
///
/// No call waits for a delivery or fails because of it: alerts follow the store's change log, and are
/// delivered at least once. One that cannot be delivered becomes a dead letter, which the store keeps,
/// lists and retries on demand.
public final class NotificationDestination: Destination {
    /// The destination of alerts.
    public enum Sink: Sendable, Hashable {
        /// Writes a log message, without the comment.
        case log
        /// Sends an HTTP POST to an http or https URL, with additional headers.
        case webhook(url: String, headers: [String: String])
        /// Runs a program, given by its absolute path and its arguments, which must exit with 0.
        case command([String])
    }

    /// The options of a notification.
    public struct Options: Sendable, Hashable {
        /// The rule that selects feedback; its name is that of the destination.
        public var rule: AlertRule
        /// The destination of the alerts.
        public var sink: Sink
        /// The template of an alert's title, which is the text of the log message and `{subject}`
        /// in the body.
        ///
        /// The placeholders are `{session_id} {rating} {timestamp} {count} {total_count} {comment}
        /// {feedback_id} {message_id} {agent_id} {author_id} {author_source} {tags} {attributes}
        /// {kind} {hook}`; any other text in braces is kept as it is.
        public var subject = "Negative feedback for session {session_id}"
        /// The template of the body, with the same placeholders and `{subject}`.
        ///
        /// Nil means a JSON object with most of them. In a body that begins with `{` or `[`, values
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
        /// The limits of the attempts for one alert.
        public var limits = DeliveryLimits()
        /// The maximum number of deliveries at a time, up to ``concurrencyMax``.
        ///
        /// Nil means 4 to a webhook, and 1 to a command. The log has them one after the other.
        public var concurrency: Int?

        /// The highest ``concurrency``.
        public static let concurrencyMax = 64

        /// Makes options.
        public init(rule: AlertRule, sink: Sink) {
            self.rule = rule
            self.sink = sink
        }
    }

    /// See ``Destination``.
    public var name: String { options.rule.name }
    /// See ``Destination``.
    public var kind: String { sink.kind }
    /// See ``Destination``.
    public var rule: AlertRule { options.rule }
    /// See ``Destination``.
    public var concurrency: Int { sink.concurrency }
    /// See ``Destination``.
    public var limits: DeliveryLimits { options.limits }

    private let options: Options
    private let instruments: AlertInstruments
    private let sink: any AlertSink
    private let logger: Logger

    /// Makes a destination, which connects with the first alert.
    ///
    /// - Throws: INVALID_ARGUMENT that names the option at fault, without its value.
    public init(_ options: Options, logger: Logger) throws {
        try options.check()
        let body = try AlertBody(options)
        sink =
            switch options.sink {
            case .log: LogSink(body: body, logger: logger)
            case .webhook(let url, let headers):
                WebhookSink(url: url, headers: headers, body: body, options: options)
            case .command(let command):
                CommandSink(command: command, body: body, options: options)
            }
        self.options = options
        instruments = AlertInstruments(hook: options.rule.name)
        self.logger = logger
    }

    /// See ``Destination``.
    public func deliver(_ alert: Alert) async -> DeliveryOutcome {
        let begin = DispatchTime.now()
        let outcome = await sink.deliver(alert)
        let end = DispatchTime.now()
        instruments.time.recordNanoseconds(end.uptimeNanoseconds - begin.uptimeNanoseconds)
        return outcome
    }

    /// See ``Destination``.
    public func report(_ event: DeliveryEvent) {
        switch event {
        case .delivered: instruments.delivered.increment()
        case .failed(let error):
            instruments.failed.increment()
            log(.debug, "an alert is refused: \(error)")
        case .dead(let error):
            instruments.dead.increment()
            log(.warning, "an alert is given up: \(error)")
        case .away(let error, let isFirst):
            instruments.failed.increment()
            log(isFirst ? .warning : .debug, "alerts cannot be delivered: \(error)")
        case .back: log(.notice, "alerts are delivered again")
        }
    }

    private func log(_ level: Logger.Level, _ text: String) {
        logger.log(level: level, "\(text)", metadata: ["hook": "\(name)"])
    }
}

extension NotificationDestination.Options {
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
        guard timeout >= .milliseconds(1), limits.giveUpAfter >= .zero else {
            throw .invalid("timeout", "must be positive")
        }
        guard limits.attemptsMax ?? 1 >= 1 else {
            throw .invalid("attempts", "must be at least 1")
        }
        guard (1...Self.concurrencyMax).contains(concurrency ?? 1) else {
            throw .invalid("concurrency", "must be from 1 to \(Self.concurrencyMax)")
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
