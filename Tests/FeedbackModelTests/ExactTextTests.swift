import FeedbackModel
import Testing

struct ExactTextTests {
    @Test(arguments: [
        "", "a", "\0", "é", "e\u{301}", "🎉🎉", "\u{7FF}\u{800}\u{FFFF}\u{10000}", "a\r\n",
    ])
    func code_points_are_counted_as_Swift_does(_ text: String) {
        #expect(text.codePointCount == text.unicodeScalars.count)
        let long = String(repeating: text, count: 1_000)
        #expect(long.codePointCount == long.unicodeScalars.count)
    }

    @Test func texts_that_Swift_finds_equal_are_told_apart() {
        #expect("\u{E9}" == "e\u{301}")
        #expect(ExactText("\u{E9}") != ExactText("e\u{301}"))
        #expect(ExactText("é") == ExactText("é"))
    }
}
