import FeedbackCore
import FeedbackModel
import Testing

struct PageTokenCodecTests {
    private let codec = PageTokenCodec(key: Array(repeating: 7, count: PageTokenCodec.keyBytes))

    @Test(arguments: [0, 1, 255, 256, Int64.max, -1, Int64.min])
    func reads_the_position_that_it_wrote(_ position: Int64) throws {
        var query = FeedbackQuery(sessionID: "s")
        query.pageToken = codec.token(position: position, query: query)
        #expect(try codec.position(in: query) == position)
    }

    @Test func a_position_of_many_bytes_is_read_as_it_was_written() throws {
        let content = [UInt8](0...255)
        var query = FeedbackQuery()
        query.pageToken = codec.token(content: content, query: query)
        #expect(try codec.content(in: query) == content)
        #expect(throws: CallError.self) { try codec.position(in: query) }
    }

    @Test func page_size_is_no_part_of_the_filters() throws {
        var query = FeedbackQuery(sessionID: "s", pageSize: 3)
        query.pageToken = codec.token(position: 5, query: query)
        query.pageSize = 9
        #expect(try codec.position(in: query) == 5)
    }

    @Test func texts_that_run_together_are_different_filters() {
        var query = FeedbackQuery(sessionID: "a 1:b", messageID: "c")
        let token = codec.token(position: 5, query: query)
        query = FeedbackQuery(sessionID: "a", messageID: "b 1:c", pageToken: token)
        #expect(throws: CallError.self) { try codec.position(in: query) }
    }

    @Test func another_key_makes_other_tokens() {
        var query = FeedbackQuery()
        query.pageToken = PageTokenCodec(key: PageTokenCodec.makeKey())
            .token(position: 1, query: query)
        #expect(throws: CallError.self) { try codec.position(in: query) }
    }

    @Test func keys_have_their_length_and_differ() {
        let keys = (0..<10).map { _ in PageTokenCodec.makeKey() }
        #expect(keys.allSatisfy { $0.count == PageTokenCodec.keyBytes })
        #expect(Set(keys).count == 10)
    }

    @Test(arguments: ["", "0", "zz", String(repeating: "0", count: 48), "\u{1F600}", "-1"])
    func garbage_is_refused(_ token: String) {
        #expect(throws: CallError.self) {
            try codec.position(in: FeedbackQuery(pageToken: token))
        }
    }
}
