import FeedbackModel
import Testing

struct ExactDictionaryTests {
    private let composed = "\u{E9}"
    private let decomposed = "e\u{301}"

    @Test func keys_that_Swift_finds_equal_are_two() {
        var pairs: ExactDictionary<Int> = [composed: 1, decomposed: 2]
        #expect(pairs.count == 2)
        #expect(pairs[composed] == 1)
        #expect(pairs[decomposed] == 2)
        pairs[composed] = nil
        #expect(pairs == [decomposed: 2])
        #expect(pairs != [composed: 2])
        pairs.merge([composed: 3, decomposed: 4]) { old, _ in old }
        #expect(pairs == [composed: 3, decomposed: 2])
        #expect(pairs.keys.map { Array($0.utf8) }.contains(Array(composed.utf8)))
    }

    @Test func of_a_key_that_comes_twice_the_last_value_counts() {
        let pairs: ExactDictionary<Int> = ["a": 1, "b": 2, "a": 3]
        #expect(pairs == ExactDictionary(["a": 3, "b": 2]))
    }

    @Test func texts_of_a_feedback_are_equal_if_their_bytes_are() {
        let changes: [(inout FeedbackDraft, String) -> Void] = [
            { $0.sessionID = $1 }, { $0.comment = $1 }, { $0.requestID = $1 },
            { $0.messageID = $1 }, { $0.agentID = $1 }, { $0.author = Author(id: $1) },
            { $0.tags = [$1] }, { $0.attributes = [$1: ""] }, { $0.attributes = ["": $1] },
        ]
        for change in changes {
            var (a, b, again) = (
                FeedbackDraft(sessionID: ""), FeedbackDraft(sessionID: ""),
                FeedbackDraft(sessionID: "")
            )
            change(&a, composed)
            change(&b, decomposed)
            change(&again, composed)
            #expect(a != b)
            #expect(a == again)
        }
    }
}
