import FeedbackModel
import Testing

struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        (1_677_628_799_001, "2023-02-28T23:59:59.001Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ])
    func is_written_as_RFC_3339(_ milliseconds: Int64, _ text: String) {
        #expect(Timestamp(millisecondsSinceEpoch: milliseconds).description == text)
    }

    @Test(
        arguments: [
            (.min, "0001-01-01T00:00:00.000Z"), (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (0, "1970-01-01T00:00:00.000Z"), (.max, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)]
    )
    func is_clamped_to_its_range(_ milliseconds: Int64, _ text: String) {
        #expect(Timestamp(clampingMilliseconds: milliseconds).description == text)
    }

    @Test(arguments: [.min, .max] as [Int64])
    func moments_far_off_can_be_written(_ milliseconds: Int64) {
        #expect(Timestamp(millisecondsSinceEpoch: milliseconds).description.hasSuffix("Z"))
    }

    @Test func its_range_is_that_of_protobuf() {
        #expect(Timestamp.range.lowerBound.description == "0001-01-01T00:00:00.000Z")
        #expect(Timestamp.range.upperBound.description == "9999-12-31T23:59:59.999Z")
    }

    @Test(arguments: [
        (1_705_935_600_000, "2024-01-22T15:00:00Z", "2024-01-22"),
        (1_705_939_199_999, "2024-01-22T15:00:00Z", "2024-01-22"),
        (-1, "1969-12-31T23:00:00Z", "1969-12-31"),
        (-3_600_000, "1969-12-31T23:00:00Z", "1969-12-31"),
        (-3_600_001, "1969-12-31T22:00:00Z", "1969-12-31"),
    ])
    func belongs_to_an_hour_and_a_day(_ milliseconds: Int64, _ hour: String, _ day: String) {
        let moment = Timestamp(millisecondsSinceEpoch: milliseconds)
        #expect(moment.hour == hour)
        #expect(moment.day == day)
    }

    @Test func days_follow_each_other_without_gap_or_repeat() {
        var seen: Set<String> = []
        for day in Int64(-800)..<800 {
            let start = Timestamp(millisecondsSinceEpoch: day * Timestamp.dayMilliseconds)
            let end = Timestamp(
                millisecondsSinceEpoch: (day + 1) * Timestamp.dayMilliseconds - 1
            )
            #expect(start.day == end.day)
            #expect(seen.insert(start.day).inserted)
        }
    }

    @Test(arguments: [(7, 2), (6, 2), (0, 5), (-1, 5), (-5, 5), (-6, 5)] as [(Int64, Int64)])
    func floor_division_rounds_down(_ dividend: Int64, _ divisor: Int64) {
        let quotient = dividend.floorDivided(by: divisor)
        #expect(quotient * divisor <= dividend)
        #expect((quotient + 1) * divisor > dividend)
    }

    @Test func a_span_has_its_first_moment_and_not_its_last() {
        let span = TimeRange(
            from: Timestamp(millisecondsSinceEpoch: 1),
            until: Timestamp(millisecondsSinceEpoch: 3)
        )
        let inside = (Int64(0)...4).map {
            span.contains(Timestamp(millisecondsSinceEpoch: $0))
        }
        #expect(inside == [false, true, true, false, false])
    }
}
