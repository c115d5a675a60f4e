import FeedbackModel
import Testing

struct MetricsTests {
    @Test func nothing_has_rates_of_zero() {
        let metrics = Metrics()
        #expect(metrics.total == 0)
        #expect(metrics.averageCommentLength == 0)
        #expect(metrics.satisfactionRate == 0)
        #expect(metrics.approvalRate == 0)
    }

    @Test func satisfaction_is_of_all_and_approval_of_the_rated() {
        let metrics = Metrics(positive: 3, negative: 1, neutral: 4, commentCodePoints: 20)
        #expect(metrics.total == 8)
        #expect(metrics.satisfactionRate == 37.5)
        #expect(metrics.approvalRate == 75)
        #expect(metrics.averageCommentLength == 2.5)
    }

    @Test func only_neutral_feedback_has_no_approval() {
        #expect(Metrics(neutral: 2).approvalRate == 0)
    }

    // The values are those of R. G. Newcombe, "Two-sided confidence intervals for the single
    // proportion", Statistics in Medicine 17, 1998, table I, method 3; those at the ends were
    // computed from the formula by hand.
    @Test(arguments: [
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718), (10, 10, 0.7225, 1), (1, 1, 0.2065, 1), (5, 10, 0.2366, 0.7634),
    ])
    func approval_has_its_wilson_interval(
        _ positive: Int64,
        _ rated: Int64,
        _ low: Double,
        _ high: Double
    ) throws {
        let metrics = Metrics(positive: positive, negative: rated - positive, neutral: 1_000)
        let interval = try #require(metrics.approvalInterval)
        #expect(abs(interval.lowerBound / 100 - low) < 0.00005)
        #expect(abs(interval.upperBound / 100 - high) < 0.00005)
        #expect((0...100).contains(interval.lowerBound))
        #expect((0...100).contains(interval.upperBound))
    }

    @Test func without_ratings_there_is_no_interval() {
        #expect(Metrics(neutral: 3).approvalInterval == nil)
    }

    @Test func counting_and_adding_agree() {
        var counted = Metrics()
        counted.count(.up, commentCodePoints: 2)
        counted.count(.down, commentCodePoints: 0)
        counted.count(.none, commentCodePoints: 5)
        let parts = Metrics(positive: 1, commentCodePoints: 2) + Metrics(negative: 1)
        #expect(counted == parts + Metrics(neutral: 1, commentCodePoints: 5))
    }

    @Test func a_report_has_its_groups_in_the_order_of_their_bytes_and_no_empty_one() {
        let one = Metrics(neutral: 1)
        let report = MetricsReport(
            metrics: one,
            groups: ["b": one, "é": one, "": one, "a": one, "none": Metrics(), "B": one]
        )
        #expect(report.groups.map(\.key) == ["", "B", "a", "b", "é"])
    }

    @Test func texts_of_different_bytes_stay_apart() {
        #expect(ExactText("\u{E9}") != ExactText("e\u{301}"))
        #expect(ExactText("\u{E9}") == ExactText("\u{E9}"))
        #expect(Set([ExactText("\u{E9}"), ExactText("e\u{301}"), ExactText("\u{E9}")]).count == 2)
    }
}
