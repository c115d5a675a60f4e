import FeedbackModel
import Testing

@testable import FeedbackCore

struct FeedbackIDGeneratorTests {
    @Test func identifiers_ascend_within_and_over_milliseconds() {
        let ids = FeedbackIDGenerator()
        var last = ""
        for index in 0..<20_000 {
            let time = Timestamp(millisecondsSinceEpoch: 1_705_935_600_000 + Int64(index / 1_000))
            let text = ids.next(at: time).description
            #expect(text > last)
            last = text
        }
    }

    @Test func they_carry_version_variant_and_time() {
        let ids = FeedbackIDGenerator()
        for index in 0..<1_000 {
            let milliseconds: Int64 = 0x018D_3F60_5A00 + Int64(index / 10)
            let id = ids.next(at: Timestamp(millisecondsSinceEpoch: milliseconds))
            #expect(id.high >> 16 == UInt64(milliseconds))
            #expect(id.high >> 12 & 0xF == 7)
            #expect(id.low >> 62 == 0b10)
        }
    }

    @Test func a_clock_that_is_set_back_changes_nothing() {
        let ids = FeedbackIDGenerator()
        var last = ids.next(at: Timestamp(millisecondsSinceEpoch: 2_000_000)).description
        for milliseconds in [1_999_999, 5, 0, -10, 1_000_000] as [Int64] {
            let text = ids.next(at: Timestamp(millisecondsSinceEpoch: milliseconds)).description
            #expect(text > last)
            #expect(text.prefix(13) == last.prefix(13))
            last = text
        }
    }

    @Test func concurrent_callers_never_get_the_same() async {
        let ids = FeedbackIDGenerator()
        let all = await withTaskGroup(of: [FeedbackID].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    (0..<2_000).map { _ in ids.next(at: Timestamp(millisecondsSinceEpoch: 1)) }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(all).count == 8_000)
    }
}
