internal import FeedbackModel
internal import Foundation

/// A text with placeholders for an alert's values, such as `{session_id}`.
///
/// The names are `session_id`, `rating` (up, down or none), `timestamp` (RFC 3339), `count` and
/// `total_count` (the numbers of feedbacks with the rule's ratings in the session and in all
/// sessions, up to this one), `comment`, `feedback_id`, `message_id`, `agent_id`, `author_id`,
/// `author_source` (human, model, code or empty), `tags` (joined by ", "), `attributes` (`key=value`,
/// joined by ", ", in the order of the keys), `kind` (added), `hook` and, in a body, `subject`. Any
/// other text in braces is kept as it is.
struct AlertTemplate: Sendable, Hashable {
    /// The escaping of inserted values.
    enum Escaping: Sendable, Hashable {
        case none
        /// Escapes for the inside of a JSON string (RFC 8259).
        case json
        /// Escapes as ``json``, after replacing `&`, `<` and `>`, which Slack would take for a
        /// mention or a link ("Formatting text for app surfaces", docs.slack.dev).
        case slack
    }

    private enum Part: Sendable, Hashable {
        case text(String)
        case value(Name)
    }

    private enum Name: String, Sendable, CaseIterable {
        case sessionID = "session_id"
        case rating
        case timestamp
        case count
        case totalCount = "total_count"
        case comment
        case feedbackID = "feedback_id"
        case messageID = "message_id"
        case agentID = "agent_id"
        case authorID = "author_id"
        case authorSource = "author_source"
        case tags
        case attributes
        case kind
        case hook
        case subject
    }

    private let parts: [Part]
    private let escaping: Escaping

    /// Parses a template.
    init(_ template: String, escaping: Escaping) {
        var parts: [Part] = []
        var text = ""
        var rest = Substring(template)
        while let open = rest.firstIndex(of: "{") {
            text += rest[..<open]
            rest = rest[open...]
            let name = Name.allCases.first { rest.hasPrefix("{\($0.rawValue)}") }
            if let name {
                parts += [.text(text), .value(name)]
                text = ""
                rest = rest.dropFirst(name.rawValue.count + 2)
            } else {
                text.append(rest.removeFirst())
            }
        }
        parts.append(.text(text + rest))
        self.parts = parts
        self.escaping = escaping
    }

    /// Returns the text with the alert's values; `{comment}` is replaced by nothing if it is not
    /// included.
    func text(for alert: Alert, subject: String = "", includesComment: Bool) -> String {
        let feedback = alert.feedback
        var text = ""
        for part in parts {
            switch part {
            case .text(let literal): text += literal
            case .value(let name):
                let value =
                    switch name {
                    case .sessionID: feedback.sessionID
                    case .rating: feedback.rating.name
                    case .timestamp: feedback.createdAt.description
                    case .count: String(alert.sessionCount)
                    case .totalCount: String(alert.totalCount)
                    case .comment: includesComment ? feedback.comment : ""
                    case .feedbackID: alert.feedbackID
                    case .messageID: feedback.draft.messageID
                    case .agentID: feedback.draft.agentID
                    case .authorID: feedback.draft.author?.id ?? ""
                    case .authorSource: feedback.draft.author?.source.name ?? ""
                    case .tags: feedback.draft.tags.joined(separator: ", ")
                    case .attributes: feedback.draft.attributes.joined
                    case .kind: alert.kind.name
                    case .hook: alert.rule
                    case .subject: subject
                    }
                switch escaping {
                case .none: text += value
                case .json: text.appendJSONEscaped(value)
                case .slack: text.appendJSONEscaped(value.escapedForSlack)
                }
            }
        }
        return text
    }
}

/// The body and the title with which an alert is sent.
struct AlertBody: Sendable, Hashable {
    let isJSON: Bool
    private let subject: AlertTemplate
    private let body: AlertTemplate
    private let includesComment: Bool

    /// Makes a body from the options' templates.
    ///
    /// - Throws: INVALID_ARGUMENT if the body begins like JSON and is not valid JSON, or if
    ///   escaping for Slack is requested and it is not JSON.
    init(_ options: NotificationDestination.Options) throws(CallError) {
        subject = AlertTemplate(options.subject, escaping: .none)
        includesComment = options.includesComment
        let text = options.body ?? Self.allFields(includesComment: options.includesComment)
        // A brace at the beginning may also belong to a placeholder.
        let sample = AlertTemplate(text, escaping: .none)
            .text(for: .sample, includesComment: true)
        let first = sample.first { !$0.isWhitespace }
        isJSON = first == "{" || first == "["
        guard isJSON || options.escapesForSlack != true else {
            throw .invalid("escape_for_slack", "needs a body of JSON, as Slack does")
        }
        let escaping: AlertTemplate.Escaping = options.isForSlack ? .slack : .json
        body = AlertTemplate(text, escaping: isJSON ? escaping : .none)
        if isJSON {
            do {
                _ = try JSONDecoder().decode(Anything.self, from: Data(sample.utf8))
            } catch {
                throw .invalid("body", "begins like JSON but is none when its values are put in")
            }
        }
    }

    var contentType: String { isJSON ? "application/json" : "text/plain; charset=utf-8" }

    /// Returns the title of an alert, with or without the comment; nil for what the options say.
    func subject(of alert: Alert, includesComment: Bool? = nil) -> String {
        subject.text(for: alert, includesComment: includesComment ?? self.includesComment)
    }

    /// Returns the body of an alert.
    func text(for alert: Alert) -> String {
        body.text(for: alert, subject: subject(of: alert), includesComment: includesComment)
    }

    private static func allFields(includesComment: Bool) -> String {
        let comment = includesComment ? #","comment":"{comment}""# : ""
        return #"{"hook":"{hook}","subject":"{subject}","session_id":"{session_id}","#
            + #""rating":"{rating}","count":{count},"total_count":{total_count},"#
            + #""feedback_id":"{feedback_id}","timestamp":"{timestamp}","#
            + #""message_id":"{message_id}","agent_id":"{agent_id}"\#(comment)}"#
    }
}

/// Decodes any valid JSON.
private struct Anything: Decodable {
    init(from decoder: any Decoder) {}
}

extension Alert {
    /// An alert with which templates are tried.
    fileprivate static let sample = Alert(
        rule: "hook",
        feedback: Feedback(
            id: FeedbackID(high: 0, low: 0),
            draft: FeedbackDraft(sessionID: "session", rating: .down, comment: "comment"),
            createdAt: Timestamp(millisecondsSinceEpoch: 0)
        ),
        sessionCount: 1,
        totalCount: 1
    )
}

extension FeedbackChange.Kind {
    fileprivate var name: String {
        switch self {
        case .added: "added"
        case .updated: "updated"
        case .deleted: "deleted"
        case .left: "left"
        }
    }
}

extension AuthorSource {
    fileprivate var name: String {
        switch self {
        case .unspecified: ""
        case .human: "human"
        case .model: "model"
        case .code: "code"
        }
    }
}

extension Attributes {
    /// The attributes as `key=value`, joined by ", ", in the order of the keys.
    fileprivate var joined: String {
        map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }.map { "\($0)=\($1)" }
            .joined(separator: ", ")
    }
}

extension String {
    fileprivate var escapedForSlack: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// Appends the text, escaped for the inside of a JSON string.
    mutating func appendJSONEscaped(_ text: String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": self += "\\\""
            case "\\": self += "\\\\"
            case "\n": self += "\\n"
            case "\r": self += "\\r"
            case "\t": self += "\\t"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                self += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: unicodeScalars.append(scalar)
            }
        }
    }
}
