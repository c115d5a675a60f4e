import FeedbackModel
import Foundation
import Testing

@testable import FeedbackHooks

@Suite("alert templates")
struct AlertTemplateTests {
    private let alert = Alert(
        rule: "slack",
        feedback: Feedback(
            id: FeedbackID(high: 0x018D_3F60_5A00_7B1C, low: 0x8A2F_0123_4567_89AB),
            draft: FeedbackDraft(
                sessionID: "user \"1\"",
                rating: .down,
                comment: "a\\b\n\u{7}\u{1F44E}",
                messageID: "m-1",
                agentID: "helper",
                author: Author(source: .human, id: "anna"),
                tags: ["slow", "wrong"],
                attributes: ["model": "m", "a": "\"x\""]
            ),
            createdAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_123)
        ),
        sessionCount: 2,
        totalCount: 7
    )

    @Test(
        "every name stands for its value",
        arguments: [
            ("{session_id}", "user \"1\""), ("{rating}", "down"),
            ("{timestamp}", "2024-01-22T15:00:00.123Z"), ("{count}", "2"), ("{total_count}", "7"),
            ("{comment}", "a\\b\n\u{7}\u{1F44E}"), ("{hook}", "slack"),
            ("{feedback_id}", "018d3f60-5a00-7b1c-8a2f-0123456789ab"),
            ("{message_id}", "m-1"), ("{agent_id}", "helper"), ("{author_id}", "anna"),
            ("{author_source}", "human"), ("{tags}", "slow, wrong"),
            ("{attributes}", "a=\"x\", model=m"), ("{kind}", "added"),
            ("{subject}", "title"), ("{count}{count} of {total_count}", "22 of 7"),
        ]
    )
    func names(_ template: String, _ expected: String) {
        let template = AlertTemplate(template, escaping: .none)
        #expect(template.text(for: alert, subject: "title", includesComment: true) == expected)
    }

    @Test(
        "what is no name stays as it is written",
        arguments: [
            "", "{", "}", "{}", "{unknown}", "{ count }", "{Count}", "{{", "{comment",
            "{session_id",
            "{\"text\": \"x\"}",
        ]
    )
    func unknown(_ template: String) {
        let text = AlertTemplate(template, escaping: .none)
            .text(for: alert, includesComment: true)
        #expect(text == template)
    }

    @Test("a brace before a name is text")
    func braces() {
        let text = AlertTemplate("{{count}} {x{count}", escaping: .none)
            .text(for: alert, includesComment: true)
        #expect(text == "{2} {x2")
    }

    @Test("a value is never taken for a template")
    func values() {
        var alert = alert
        alert.feedback.draft.comment = "{session_id}"
        let text = AlertTemplate("{comment}", escaping: .none)
            .text(for: alert, includesComment: true)
        #expect(text == "{session_id}")
    }

    @Test("the values of a JSON body are escaped")
    func json() throws {
        let body = try AlertBody(options { $0.body = #"{"text": "{comment} of {session_id}"}"# })
        #expect(body.isJSON)
        #expect(body.contentType == "application/json")
        let decoded = try JSONDecoder().decode(
            [String: String].self,
            from: Data(body.text(for: alert).utf8)
        )
        #expect(decoded["text"] == "a\\b\n\u{7}\u{1F44E} of user \"1\"")
    }

    @Test("tags and attributes are escaped in JSON like every value")
    func listsInJSON() throws {
        let body = try AlertBody(options { $0.body = #"{"text": "{tags}; {attributes}"}"# })
        #expect(body.text(for: alert) == #"{"text": "slow, wrong; a=\"x\", model=m"}"#)
    }

    @Test("the default body has the most important fields")
    func defaultBody() throws {
        struct Body: Decodable {
            var hook, subject, sessionId, rating, feedbackId, timestamp: String
            var messageId, agentId: String
            var comment: String?
            var count, totalCount: Int
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        func decoded(_ body: AlertBody) throws -> Body {
            try decoder.decode(Body.self, from: Data(body.text(for: alert).utf8))
        }
        let whole = try decoded(AlertBody(options { _ in }))
        #expect(whole.subject == "Negative feedback for session user \"1\"")
        #expect(whole.comment == alert.feedback.comment)
        #expect(whole.messageId == "m-1")
        #expect(whole.agentId == "helper")
        #expect(whole.count == 2)
        #expect(whole.totalCount == 7)
        let bare = try decoded(AlertBody(options { $0.includesComment = false }))
        #expect(bare.comment == nil)
    }

    @Test("a comment that is switched off is nowhere")
    func withoutComment() throws {
        let body = try AlertBody(
            options {
                $0.includesComment = false
                $0.subject = "about {comment}"
                $0.body = "{subject}: {comment}"
            }
        )
        #expect(body.text(for: alert) == "about : ")
        #expect(body.contentType == "text/plain; charset=utf-8")
    }

    @Test(
        "a body that begins like JSON and is none is refused",
        arguments: [
            "{\"text\": {comment}}", "{", "[1 2]", "  {{count}", "{\"a\": \"{comment}\"} x",
        ]
    )
    func brokenJSON(_ body: String) {
        #expect(throws: CallError.self) { try AlertBody(options { $0.body = body }) }
    }

    @Test("no comment mentions anybody in Slack, nor becomes a link")
    func slack() throws {
        var alert = alert
        alert.feedback.draft.comment = "<!channel> & \"<https://x|y>\" &lt;"
        func text(_ url: String, _ isForSlack: Bool?) throws -> String {
            let body = try AlertBody(
                options {
                    $0.sink = .webhook(url: url, headers: [:])
                    $0.escapesForSlack = isForSlack
                    $0.body = #"{"text": "<!here> {comment}"}"#
                }
            )
            return body.text(for: alert)
        }
        let escaped =
            #"{"text": "<!here> &lt;!channel&gt; &amp; \"&lt;https://x|y&gt;\" &amp;lt;"}"#
        let plain = #"{"text": "<!here> <!channel> & \"<https://x|y>\" &lt;"}"#
        #expect(try text("https://HOOKS.slack.com/services/T0", nil) == escaped)
        #expect(try text("https://hooks.slack.com/services/T0", false) == plain)
        #expect(try text("https://chat.example.org/T0", nil) == plain)
        #expect(try text("https://chat.example.org/T0", true) == escaped)
        #expect(throws: CallError.self) {
            try AlertBody(
                options {
                    $0.escapesForSlack = true
                    $0.body = "{comment}"
                }
            )
        }
    }

    private func options(
        _ change: (inout NotificationDestination.Options) -> Void
    ) -> NotificationDestination.Options {
        var options = NotificationDestination.Options(rule: AlertRule(name: "slack"), sink: .log)
        change(&options)
        return options
    }
}
