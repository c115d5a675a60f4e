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

    @Test(arguments: [
        ("2024-01-22T15:00:00Z", 1_705_935_600_000),
        ("2024-01-22t15:00:00z", 1_705_935_600_000),
        ("2024-01-22T16:00:00+01:00", 1_705_935_600_000),
        ("2024-01-21T15:01:00-23:59", 1_705_935_600_000),
        ("2024-01-22T15:00:00-00:00", 1_705_935_600_000),
        ("2024-01-22T15:00:00.5Z", 1_705_935_600_500),
        ("2024-01-22T15:00:00.1230000Z", 1_705_935_600_123),
        ("2024-01-22T15:00:00.12300001Z", 1_705_935_600_124),
        ("2024-01-22T14:59:59.9999Z", 1_705_935_600_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("0000-12-31T23:30:00-00:30", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("9999-12-31T23:59:59.9999Z", 253_402_300_799_999),
    ])
    func is_read_from_RFC_3339(_ text: String, _ milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.millisecondsSinceEpoch == milliseconds)
    }

    @Test(arguments: [
        // Days that no calendar has.
        "2026-02-29", "2026-02-30", "2026-04-31", "2026-06-31", "2026-09-31", "2026-11-31",
        "2026-01-32", "2026-01-00", "2026-00-01", "2026-13-01", "1900-02-29", "2100-02-29",
        "0000-01-01", "0000-12-31",
    ])
    func a_day_that_does_not_exist_is_none(_ day: String) {
        #expect(Timestamp(rfc3339: day + "T00:00:00Z") == nil)
    }

    @Test(arguments: [
        "24:00:00Z", "25:00:00Z", "00:60:00Z", "00:61:00Z", "00:00:60Z", "23:59:60Z", "00:00:61Z",
        "00:00:00+24:00", "00:00:00-24:00", "00:00:00+00:60", "00:00:00+1:00", "00:00:00+0100",
        "00:00:00", "00:00Z", "0:00:00Z", "00:00:00.Z", "00:00:00,5Z", "00:00:00 Z", "00:00:00Z ",
        "00:00:00Z0", "-1:00:00Z", "+1:00:00Z", "٠٠:٠٠:٠٠Z", "",
    ])
    func a_time_of_day_that_does_not_exist_is_none(_ time: String) {
        #expect(Timestamp(rfc3339: "2016-12-31T" + time) == nil)
    }

    @Test(arguments: [
        "", "2024-01-22", "2024-01-22 00:00:00Z", " 2024-01-22T00:00:00Z", "24-01-22T00:00:00Z",
        "12024-01-22T00:00:00Z", "-024-01-22T00:00:00Z", "2024-1-22T00:00:00Z", "yesterday",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
    ])
    func other_text_and_moments_beyond_its_range_are_none(_ text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func every_day_of_400_years_is_read_as_it_is_written() {
        for day in 0..<146_097 as Range<Int64> {
            let moment = Timestamp(millisecondsSinceEpoch: (day - 50_000) * 86_400_000 + day)
            #expect(Timestamp(rfc3339: moment.description) == moment)
        }
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
