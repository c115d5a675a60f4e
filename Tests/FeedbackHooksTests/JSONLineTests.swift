import FeedbackModel
import Foundation
import Testing

@testable import FeedbackHooks

@Suite("a line of JSON")
struct JSONLineTests {
    @Test("any code point survives at any place, and none leaves its line")
    func texts() throws {
        for value in Array(0...0x100 as ClosedRange<UInt32>) + Array(0x2000...0x206F) + [
            0x61B, 0x61C, 0x61D, 0x7FF, 0x800, 0x1F389,
        ] {
            let scalar = try #require(Unicode.Scalar(value))
            for place in 0..<20 {
                let plain = String(repeating: "a", count: place)
                for text in [plain + String(scalar), plain + String(scalar) + plain] {
                    var line = JSONLine(bytesMax: 6 * text.utf8.count + 2)
                    line.put(quoted: text)
                    let bytes = Data(line.bytes)
                    let read = try JSONSerialization.jsonObject(
                        with: bytes,
                        options: .fragmentsAllowed
                    )
                    #expect((read as? String).map { ExactText($0) } == ExactText(text))
                    let written = String(decoding: bytes, as: UTF8.self).unicodeScalars
                    #expect(written.allSatisfy { !$0.leavesLine })
                }
            }
        }
    }

    @Test("whole numbers are written as Swift writes them")
    func numbers() {
        var numbers: [Int64] = [.min, .max, 0, -1]
        var power: Int64 = 1
        for _ in 0..<18 {
            power *= 10
            numbers += [power - 1, power, -power]
        }
        for number in numbers {
            var line = JSONLine(bytesMax: 20)
            line.put(number)
            #expect(String(decoding: line.bytes, as: UTF8.self) == "\(number)")
        }
    }

    @Test("moments and ids are written as they describe themselves")
    func others() throws {
        let moment = Timestamp(millisecondsSinceEpoch: 1_769_094_005_007)
        let id = try #require(FeedbackID("0197a3c2-0000-7b1c-8a2f-0123456789ab"))
        var line = JSONLine(bytesMax: Timestamp.textBytes + FeedbackID.textBytes)
        line.put(moment)
        line.put(id)
        #expect(String(decoding: line.bytes, as: UTF8.self) == "\(moment)\(id)")
    }
}

extension Unicode.Scalar {
    fileprivate var leavesLine: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
