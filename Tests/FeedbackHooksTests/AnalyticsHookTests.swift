import CoreMetrics
import FeedbackCore
import FeedbackHooks
import FeedbackModel
import PrometheusMetrics
import TestSupport
import Testing

@Suite("the analytics hook")
struct AnalyticsHookTests {
    private let metrics = PrometheusMetrics()

    private func lines(_ prefix: String) -> [Substring] {
        metrics.page.split(separator: "\n").filter { $0.hasPrefix(prefix) }
    }

    @Test func it_counts_what_was_stored_by_rating_with_the_comments_lengths() async throws {
        let hook = withMetricsFactory(metrics) { AnalyticsHook(name: "analytics") }
        let service = FeedbackService(store: MemoryStore(), hooks: [hook])
        for (rating, comment) in [(Rating.up, "👍🏽 ok"), (.up, ""), (.down, "no"), (.none, "")] {
            _ = try await service.add(
                FeedbackDraft(sessionID: "s", rating: rating, comment: comment)
            )
        }
        #expect(
            lines("feedbackd_feedback_total{") == [
                #"feedbackd_feedback_total{hook="analytics",rating="down"} 1"#,
                #"feedbackd_feedback_total{hook="analytics",rating="none"} 1"#,
                #"feedbackd_feedback_total{hook="analytics",rating="up"} 2"#,
            ]
        )
        let length = "feedbackd_feedback_comment_codepoints"
        #expect(lines("\(length)_count") == [#"\#(length)_count{hook="analytics"} 2"#])
        #expect(lines("\(length)_sum") == [#"\#(length)_sum{hook="analytics"} 7"#])
    }

    @Test func it_counts_neither_repetitions_nor_what_failed() async throws {
        let hook = withMetricsFactory(metrics) { AnalyticsHook(name: "a") }
        let veto = AddHook { feedback, _, next in
            if feedback.comment == "bad" { throw CallError(.permissionDenied, "no") }
            return try await next(feedback)
        }
        let service = FeedbackService(store: MemoryStore(), hooks: [hook, veto])
        for _ in 0..<3 {
            let draft = FeedbackDraft(sessionID: "s", rating: .up, requestID: "r")
            _ = try await service.add(draft)
        }
        await #expect(throws: CallError.self) {
            try await service.add(FeedbackDraft(sessionID: "s", rating: .up, comment: "bad"))
        }
        #expect(
            lines("feedbackd_feedback_total{hook=\"a\",rating=\"up\"") == [
                #"feedbackd_feedback_total{hook="a",rating="up"} 1"#
            ]
        )
    }
}
