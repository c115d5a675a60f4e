import Testing

@testable import PrometheusMetrics

@Suite("the head of a request for the page")
struct HTTPRequestHeadTests {
    /// Returns a head of that many bytes, with its end.
    static func head(of size: Int) -> [UInt8] {
        let start = Array("GET /metrics HTTP/1.1\r\nX: ".utf8)
        let end = Array("\r\n\r\n".utf8)
        let filling = [UInt8](repeating: 120, count: size - start.count - end.count)
        return start + filling + end
    }

    @Test func it_is_complete_with_the_empty_line_however_it_is_split() {
        let bytes = Array("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        for split in 0..<bytes.count {
            var head = HTTPRequestHead()
            #expect(head.append(bytes[..<split]) == .incomplete)
            #expect(head.append(bytes[split...]) == .complete)
            #expect(head.words == ["GET", "/metrics", "HTTP/1.1"])
        }
        var head = HTTPRequestHead()
        let progress = bytes.map { head.append([$0]) }
        #expect(progress.dropLast().allSatisfy { $0 == .incomplete })
        #expect(progress.last == .complete)
    }

    @Test func bytes_after_it_change_nothing() {
        var head = HTTPRequestHead()
        let body = [UInt8](repeating: 1, count: 20_000)
        #expect(head.append(Array("GET / HTTP/1.1\r\n\r\n".utf8) + body) == .complete)
        #expect(head.words == ["GET", "/", "HTTP/1.1"])
    }

    @Test func it_has_at_most_8192_bytes() {
        for (size, expected) in [
            (8_192, HTTPRequestHead.Progress.complete), (8_193, .tooLong), (9_000, .tooLong),
        ] {
            var whole = HTTPRequestHead()
            #expect(whole.append(Self.head(of: size)) == expected)
            var split = HTTPRequestHead()
            let last = Self.head(of: size).map { split.append([$0]) }.last
            #expect(last == expected)
        }
    }
}
