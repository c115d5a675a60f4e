public import FeedbackModel

/// Tells somebody about feedback: a log line, a webhook, a command.
public enum NotificationHook {
    /// Where alerts go.
    public enum Sink: Sendable, Hashable {
        /// A line in the log.
        case log
        /// An HTTP POST; the headers besides Content-Type and Idempotency-Key.
        case webhook(url: String, headers: [String: String])
        /// A program and its arguments, with the body on its standard input; it is to exit with 0.
        case command([String])
    }

    /// What a notification hook can be told.
    public struct Options: Sendable, Hashable {
        /// Which feedback is told; its name is the hook's and names the queue.
        public var rule: AlertRule
        /// Where to.
        public var sink: Sink
        /// The template of an alert's title, `{subject}` in the body; see ``AlertTemplate``.
        public var subject = "Negative feedback for session {session_id}"
        /// The template of what is sent; nil for all fields as JSON.
        public var body: String?
        /// Whether the comment is told.
        public var includesComment = true
        /// How long one attempt may take.
        public var timeout = Duration.seconds(10)
        /// How long after queueing the last attempt may begin.
        public var giveUpAfter = Duration.seconds(86_400)

        /// Makes options.
        public init(rule: AlertRule, sink: Sink) {
            self.rule = rule
            self.sink = sink
        }
    }
}
