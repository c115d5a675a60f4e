import Testing

@testable import FeedbackModel

@Suite("text on one line")
struct OnOneLineTests {
    @Test func whatever_could_spoof_is_escaped() {
        let scalars: [ClosedRange<UInt32>] = [
            0x00...0x1F, 0x7F...0x9F, 0xAD...0xAD, 0x61C...0x61C, 0x200B...0x200B, 0x200E...0x200F,
            0x2028...0x202E, 0x2060...0x2064, 0x2066...0x206F, 0xFEFF...0xFEFF, 0xE0020...0xE007F,
        ]
        for value in scalars.joined() {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let line = "a\(scalar)b".onOneLine
            #expect(line.unicodeScalars.allSatisfy { (0x20..<0x7F).contains($0.value) }, "\(value)")
            #expect(line.hasPrefix("a\\"), "\(value)")
        }
        #expect("\n\r\t\u{1B}[31m\u{202E}".onOneLine == "\\n\\r\\t\\u{1b}[31m\\u{202e}")
    }

    @Test(arguments: [
        "", "plain \\ text", "é e\u{301} ü", "👩‍👩‍👧 ❤️ 🏴", "می\u{200C}خواهم", "क्\u{200D}ष", "\u{6DD}١",
        "日本語", "\u{A0}",
    ])
    func what_people_write_stays_as_it_is(_ text: String) {
        #expect(Array(text.onOneLine.utf8) == Array(text.utf8))
    }
}
