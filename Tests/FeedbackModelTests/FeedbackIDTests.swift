import FeedbackModel
import Testing

struct FeedbackIDTests {
    @Test(arguments: [
        "018d3f60-5a00-7b1c-8a2f-0123456789ab", "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ])
    func reads_and_writes_the_same_text(_ text: String) {
        #expect(FeedbackID(text)?.description == text)
    }

    @Test func puts_the_first_bytes_into_the_high_half() {
        let id = FeedbackID(high: 0x018d_3f60_5a00_7b1c, low: 0x8a2f_0123_4567_89ab)
        #expect(id.description == "018d3f60-5a00-7b1c-8a2f-0123456789ab")
        #expect(FeedbackID(id.description) == id)
    }

    @Test func reads_upper_case() {
        let text = "018D3F60-5A00-7B1C-8A2F-0123456789AB"
        #expect(FeedbackID(text)?.description == text.lowercased())
    }

    @Test(arguments: [
        "", "018d3f60", "018d3f60-5a00-7b1c-8a2f-0123456789a",
        "018d3f60-5a00-7b1c-8a2f-0123456789abc", "018d3f605-a00-7b1c-8a2f-0123456789ab",
        "018d3f60-5a00-7b1c-8a2f-0123456789ag", "018d3f60-5a00-7b1c-8a2f-012345678９ab",
        "018d3f6005a0007b1c08a2f00123456789ab", "{018d3f60-5a00-7b1c-8a2f-0123456789ab}",
    ])
    func refuses_what_is_no_UUID(_ text: String) {
        #expect(FeedbackID(text) == nil)
    }
}
