import FeedbackModel
import Testing

@Suite("JSON of metadata")
struct MetadataJSONTests {
    @Test func every_value_is_read_as_it_was_written() {
        let value = MetadataValue.object([
            "null": .null, "yes": .bool(true), "no": .bool(false), "empty": .string(""),
            "": .list([]), "object": .object([:]), "\u{E9}": .number(1),
            "e\u{301}": .number(-2.5e-7),
            "text": .string("\"\\/\u{8}\u{C}\n\r\t\u{1}\u{1F}\u{7F}\u{2028}日本語\u{1F600}\u{10FFFF}"),
            "list": .list([.list([.object(["k": .null])]), .number(-0.0), .number(1e300)]),
        ])
        #expect(MetadataValue(json: value.json) == value)
        #expect(MetadataValue(json: value.json(isPretty: true)) == value)
    }

    @Test func keys_are_sorted_by_their_bytes() {
        let value: MetadataValue = .object([
            "b": .list([.number(1), .string("x")]), "a": .object([:]), "é": .number(0.5),
            "Z": .list([]),
        ])
        #expect(value.json == #"{"Z":[],"a":{},"b":[1,"x"],"é":0.5}"#)
        #expect(
            value.json(isPretty: true) == """
                {
                  "Z" : [],
                  "a" : {},
                  "b" : [
                    1,
                    "x"
                  ],
                  "é" : 0.5
                }
                """
        )
    }

    @Test(arguments: [
        ("0", 0), ("-0", -0.0), ("1", 1), ("-12", -12), ("1.50", 1.5), ("1e3", 1_000),
        ("1E+3", 1_000), ("25e-1", 2.5), ("9007199254740993", 9_007_199_254_740_992),
        ("5e-324", .leastNonzeroMagnitude), ("1e-400", 0),
    ])
    func numbers_are_doubles(_ json: String, _ number: Double) {
        guard case .number(let read)? = MetadataValue(json: " \(json)\n") else {
            Issue.record("\(json) is no number")
            return
        }
        #expect(read.bitPattern == number.bitPattern)
    }

    @Test func escapes_stand_for_their_characters() {
        let json = #""\"\\\/\b\f\n\r\t\u00e9\u0301\ud83d\ude00\uFFFF""#
        let text = "\"\\/\u{8}\u{C}\n\r\t\u{E9}\u{301}\u{1F600}\u{FFFF}"
        #expect(MetadataValue(json: json) == .string(text))
    }

    @Test func of_a_key_that_comes_twice_the_last_value_counts() {
        #expect(
            MetadataValue(json: #"{"a":1,"b":2,"a":[]}"#)
                == .object(["a": .list([]), "b": .number(2)])
        )
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "True", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}",
        #"{"a"}"#, #"{"a":}"#, #"{"a":1"#, #"{"a":1,}"#, "{a:1}", "{1:2}", #"{"a" 1}"#, "\"", "\"a",
        "'a'", #""\x""#, #""\u12""#, #""\u12g4""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#,
        "\"\n\"", "\"\t\"", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1e999", "-1e999",
        "NaN",
        "Infinity", "1 1", "[]]", "\u{FEFF}1", "/**/1", "\u{A0}1",
    ])
    func what_is_no_JSON_is_nil(_ json: String) {
        #expect(MetadataValue(json: json) == nil)
    }

    @Test func the_depth_has_a_limit() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(MetadataValue(json: nested(512)) != nil)
        #expect(MetadataValue(json: nested(513)) == nil)
        #expect(MetadataValue(json: nested(1_000_000)) == nil)
    }
}
