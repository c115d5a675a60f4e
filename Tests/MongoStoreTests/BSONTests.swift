import Testing

@testable import MongoStore

/// BSON documents, checked against the specification's examples (bsonspec.org).
struct BSONTests {
    private func read(_ bytes: [UInt8]) -> BSONDocument? {
        bytes.withUnsafeBytes { buffer in
            var reader = BSONReader(buffer)
            return reader.document()
        }
    }

    @Test func the_specifications_examples_are_written_and_read() throws {
        let hello: [UInt8] =
            [0x16, 0, 0, 0, 0x02] + Array("hello\0".utf8) + [6, 0, 0, 0] + Array("world\0".utf8)
            + [0]
        #expect(BSONWriter(["hello": "world"]).bytes == hello)
        #expect(read(hello)?["hello"]?.string == "world")
        let awesome: [UInt8] =
            [0x31, 0, 0, 0, 0x04] + Array("BSON\0".utf8) + [
                0x26, 0, 0, 0, 0x02, 0x30, 0, 8, 0, 0, 0,
            ]
            + Array("awesome\0".utf8) + [0x01, 0x31, 0, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]
            + [0x14, 0x40, 0x10, 0x32, 0, 0xC2, 0x07, 0, 0, 0, 0]
        #expect(BSONWriter(["BSON": ["awesome", .double(5.05), 1_986]]).bytes == awesome)
        let values = try #require(read(awesome)?["BSON"]?.array)
        #expect(values.map(\.string) == ["awesome", nil, nil])
        #expect(values[2].integer == 1_986)
    }

    @Test func every_kind_is_read_as_it_was_written() throws {
        let document: BSONDocument = [
            "double": .double(-1.5), "text": "\u{1F469}\u{200D}\u{1F4BB}", "": "", "null": nil,
            "true": true, "false": false, "date": .date(-1), "int": .int32(.min),
            "long": .int64(.max), "moment": .timestamp(ClusterTime(rawValue: .max - 1)),
            "empty": [:], "list": [[], [1, nil]],
        ]
        let bytes = BSONWriter(document).bytes
        let copy = try #require(read(bytes))
        #expect(copy.fields.map(\.key) == document.fields.map(\.key))
        #expect(BSONWriter(copy).bytes == bytes)
    }

    @Test func blanks_are_filled_in_wherever_they_are() {
        let template = BSONTemplate([
            "first": .blank(.string, 7), "list": [.blank(.array, 1), ["b": .blank(.date, 2)], 1],
            "apart": ["a": [:]], "again": [[.blank(.string, 7)]], "last": .blank(.array, 1),
        ])
        var writer = BSONWriter()
        for (text, list) in [("", []), ("text", ["a", "b"])] as [(String, [String])] {
            writer.removeAll()
            writer.write("before", "key")
            let start = writer.bytes.count
            template.write(to: &writer) { blank, writer in
                switch blank {
                case 7: writer.writeValue(text)
                case 1:
                    writer.writeMeasured { array in
                        for (index, text) in list.enumerated() { array.write(text, "\(index)") }
                    }
                default: writer.writeValue(date: -2)
                }
            }
            let value = BSON.array(list.map(BSON.string))
            let document: BSONDocument = [
                "first": .string(text), "list": [value, ["b": .date(-2)], 1],
                "apart": ["a": [:]], "again": [[.string(text)]], "last": value,
            ]
            #expect(Array(writer.bytes[start...]) == BSONWriter(document).bytes)
        }
    }

    @Test func what_other_programs_write_is_passed_over() throws {
        // The elements are an ObjectId, binary, a timestamp, a regular expression, decimal128, code
        // and MinKey, then a number.
        let elements: [[UInt8]] = [
            [0x07, 0x61, 0] + [UInt8](0..<12), [0x05, 0x62, 0, 2, 0, 0, 0, 0, 1, 2],
            [0x11, 0x63, 0] + [UInt8](repeating: 1, count: 8), [0x0B, 0x64, 0, 0x78, 0, 0x69, 0],
            [0x13, 0x65, 0] + [UInt8](repeating: 1, count: 16),
            [0x0D, 0x66, 0, 2, 0, 0, 0, 0x78, 0], [0xFF, 0x67, 0], [0x10, 0x68, 0, 7, 0, 0, 0],
        ]
        let body = elements.flatMap { $0 }
        let document = try #require(read([UInt8(body.count + 5), 0, 0, 0] + body + [0]))
        #expect(document.fields.map(\.key) == ["a", "b", "c", "d", "e", "f", "g", "h"])
        guard case .objectID("000102030405060708090a0b")? = document["a"] else {
            Issue.record("the ObjectId is read wrong")
            return
        }
        #expect(document["h"]?.integer == 7)
    }

    @Test func a_uuid_is_told_apart_from_other_binary_data() throws {
        for (kind, length) in [(4, 16), (3, 16), (4, 15)] as [(UInt8, UInt8)] {
            let value = [length, 0, 0, 0, kind] + (0..<length).map { $0 | 0xA0 }
            let body: [UInt8] = [0x05, 0x61, 0] + value + [0x10, 0x62, 0, 7, 0, 0, 0]
            let document = try #require(read([UInt8(body.count + 5), 0, 0, 0] + body + [0]))
            if case .uuid(let digits)? = document["a"] {
                #expect(kind == 4 && length == 16)
                #expect(digits == "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")
            } else {
                #expect(kind != 4 || length != 16)
            }
            #expect(document["b"]?.integer == 7)
        }
    }

    @Test func bytes_that_end_too_early_are_no_document() {
        let bytes = BSONWriter([
            "text": "abc", "list": [1, .double(2), nil], "date": .date(3), "inner": ["x": true],
        ]).bytes
        for count in bytes.indices { #expect(read(Array(bytes[..<count]))?.fields.count == nil) }
    }

    @Test func lengths_that_lie_do_no_harm() {
        let bytes = BSONWriter(["text": "abc", "inner": ["list": ["x"]]]).bytes
        for index in bytes.indices {
            for value in [0, 1, 0x7F, 0xFF] as [UInt8] {
                var changed = bytes
                changed[index] = value
                // The result does not matter: the test checks that nothing beyond the bytes is
                // read.
                _ = read(changed)
            }
        }
    }
}
