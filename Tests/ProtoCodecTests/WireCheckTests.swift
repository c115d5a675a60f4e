import CFeedbackProto
import CProtobufC
import CRPCProto
import Foundation
import TestSupport
import Testing

@testable import ProtoCodec

@Suite("the check of a message's bytes")
struct WireCheckTests {
    struct Malformed: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: Data
        init(_ what: String, _ bytes: Data) {
            testDescription = what
            self.bytes = bytes
        }
    }

    private static let malformed: [Malformed] =
        [
            Malformed("field 0 with a number", Data([0x00, 0x01])),
            Malformed("field 0 with text", Data([0x02, 0x00])),
            Malformed("a field number of 30 bits", Wire.varint(1 << 32) + Data([0])),
            Malformed("a field number of 60 bits", Wire.varint(1 << 63) + Data([0])),
            Malformed("a tag that does not end", Data([0x80])),
            Malformed("a tag without a value", Data([0x20])),
            Malformed("a number that does not end", Data([0x20, 0x80])),
            Malformed(
                "a number of 11 bytes",
                Data([0x20] + Array(repeating: 0x80, count: 10) + [1])
            ),
            Malformed(
                "a length of 11 bytes",
                Data([0x0A] + Array(repeating: 0x80, count: 10) + [0])
            ),
            Malformed("a length beyond the end", Data([0x0A, 0x05, 0x61])),
            Malformed("a length of 2^31", Data([0x0A]) + Wire.varint(1 << 31) + Data([0x61])),
            Malformed("a length of 2^63", Data([0x0A]) + Wire.varint(1 << 63) + Data([0x61])),
            Malformed("a length of 2^64-1", Data([0x0A]) + Wire.varint(.max) + Data([0x61])),
            Malformed("64 bits that are 56", Data([0x79, 1, 2, 3, 4, 5, 6, 7])),
            Malformed("32 bits that are 24", Data([0x7D, 1, 2, 3])),
            Malformed("a number where text belongs", Data([0x08, 0x01])),
            Malformed("text where a number belongs", Data([0x22, 0x01, 0x61])),
            Malformed("32 bits where a message belongs", Data([0x2D, 0, 0, 0, 0])),
            Malformed("an inner message with field 0", Data([0x2A, 0x02, 0x00, 0x01])),
        ]
        + ([3, 4, 6, 7] as [UInt8]).flatMap { type in
            [
                Malformed("wire type \(type), known field", Data([1 << 3 | type, 1, 0x61])),
                Malformed("wire type \(type), unknown field", Data([15 << 3 | type, 1, 0x61])),
            ]
        }

    @Test(arguments: malformed)
    func bytes_that_are_no_message_are_malformed(_ sample: Malformed) {
        #expect(fault(of: sample.bytes, as: Samples.request)?.kind == .malformed)
        let afterGoodFields = Samples.requestParts.reduce(Data(), +) + sample.bytes
        #expect(fault(of: afterGoodFields, as: Samples.request)?.kind == .malformed)
    }

    @Test func a_message_cut_between_two_fields_is_decoded_and_malformed_elsewhere() {
        let whole = Samples.requestParts.reduce(Data(), +)
        var ends: Set<Int> = [0]
        var end = 0
        for part in Samples.requestParts {
            end += part.count
            ends.insert(end)
        }
        for count in 0...whole.count {
            let kind = fault(of: Data(whole.prefix(count)), as: Samples.request)?.kind
            #expect(kind == (ends.contains(count) ? nil : .malformed), "cut after \(count) bytes")
        }
    }

    @Test func unknown_fields_of_every_wire_type_are_passed_over() {
        let bytes =
            Wire.field(20, 7) + Data([0xA1, 0x01]) + Data(count: 8)
            + Wire.field(21, Data([0xFF, 0x00])) + Data([0xA5, 0x01, 0, 0, 0, 0])
            + Wire.field((1 << 29) - 1, 1)
        #expect(fault(of: bytes, as: Samples.request) == nil)
    }

    // MARK: - Depth

    /// Returns `count` nested messages, alternately a ListValue and a Value.
    private func nested(_ count: Int) -> Data {
        var bytes = Data()
        for level in stride(from: count, to: 1, by: -1) {
            bytes = Wire.field(level.isMultiple(of: 2) ? 1 : 6, bytes)
        }
        return bytes
    }

    @Test func messages_may_be_nested_up_to_the_limit_and_no_deeper() {
        #expect(fault(of: nested(WireCheck.depthMax), as: Samples.listValue) == nil)
        #expect(
            fault(of: nested(WireCheck.depthMax + 1), as: Samples.listValue)?.kind == .tooDeep
        )
    }

    @Test func ten_thousand_levels_are_refused_without_harm() {
        var structure = Data()
        for _ in 0..<10_000 {
            structure = Wire.field(1, Wire.field(1, "k") + Wire.field(2, Wire.field(5, structure)))
        }
        let arena = ProtoArena(bytesMax: 32 << 20)
        #expect(fault(of: structure, as: Samples.structure, in: arena)?.kind == .tooDeep)
        #expect(fault(of: nested(10_000), as: Samples.listValue, in: arena)?.kind == .tooDeep)
        #expect(fault(of: nested(8), as: Samples.listValue, in: arena) == nil)
    }

    @Test func what_looks_nested_in_an_unknown_field_is_not_looked_into() {
        #expect(fault(of: Wire.field(99, nested(1_000)), as: Samples.listValue) == nil)
    }

    // MARK: - Text

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28],
            [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE2, 0x82],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80],
            [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        ] as [[UInt8]]
    )
    func text_that_is_not_utf8_is_refused_with_its_field(_ sequence: [UInt8]) {
        for text in [sequence, Array("ok ".utf8) + sequence, sequence + Array(" ok".utf8)] {
            let text = Data(text)
            #expect(
                fault(of: Wire.field(2, text), as: Samples.request)
                    == ProtoError(.invalidUTF8, field: "method")
            )
            #expect(
                fault(of: Wire.field(5, Wire.field(1, text)), as: Samples.request)
                    == ProtoError(.invalidUTF8, field: "metadata.key")
            )
            #expect(
                fault(of: Wire.field(3, Wire.field(1, text)), as: Samples.status)
                    == ProtoError(.invalidUTF8, field: "details")
            )
        }
    }

    @Test(arguments: [
        "\u{7F}", "\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}",
        "\u{10000}", "\u{10FFFF}",
    ])
    func text_at_the_edges_of_utf8_is_taken(_ text: String) {
        #expect(fault(of: Wire.field(2, text), as: Samples.request) == nil)
    }

    @Test(arguments: ["\0", "a\0b", "é\0", "\0\u{10FFFF}"])
    func text_with_a_nul_is_refused_with_its_field(_ text: String) {
        #expect(
            fault(of: Wire.field(2, text), as: Samples.request)
                == ProtoError(.containsNUL, field: "method")
        )
        #expect(
            fault(of: Wire.field(5, Wire.field(2, text)), as: Samples.request)
                == ProtoError(.containsNUL, field: "metadata.value")
        )
    }

    @Test func bytes_may_be_anything() {
        #expect(fault(of: Wire.field(3, Data(0...255)), as: Samples.request) == nil)
    }

    // MARK: - Enums

    @Test(arguments: 0...3) func values_of_an_enum_are_taken(_ value: UInt64) {
        #expect(fault(of: Wire.field(1, value), as: Samples.health) == nil)
    }

    @Test(
        arguments: [
            4, 127, UInt64(Int32.max), 1 << 31, 1 << 32, 1 << 32 | 1, UInt64(bitPattern: -1),
            UInt64(bitPattern: Int64(Int32.min)), UInt64(bitPattern: .min), UInt64(UInt32.max),
        ] as [UInt64]
    )
    func other_values_are_refused_with_their_field(_ value: UInt64) {
        #expect(
            fault(of: Wire.field(1, value), as: Samples.health)
                == ProtoError(.unknownEnumValue, field: "status")
        )
        let refusal = ProtoError(.unknownEnumValue, field: "ratings")
        #expect(fault(of: Wire.field(2, value), as: Samples.list) == refusal)
        let packed = Wire.varint(1) + Wire.varint(value)
        #expect(fault(of: Wire.field(2, packed), as: Samples.list) == refusal)
    }

    @Test func a_repeated_enum_is_taken_packed_and_unpacked() throws {
        let bytes = Wire.field(2, Data([1, 2])) + Wire.field(2, 0) + Wire.field(2, Data())
        let arena = ProtoArena(bytesMax: 1 << 20)
        try bytes.withUnsafeBytes { buffer in
            let list = try arena.unpack(buffer, as: Samples.list).pointee
            #expect((0..<list.n_ratings).map { list.ratings[$0].rawValue } == [1, 2, 0])
        }
        let cut = Wire.field(2, Data([1, 0x80]))
        #expect(fault(of: cut, as: Samples.list)?.kind == .malformed)
    }

    // MARK: - Fields that the caller does not accept

    @Test func a_refused_field_is_named_at_the_top_alone() throws {
        let arena = ProtoArena(bytesMax: 1 << 20)
        func fault(_ bytes: Data, _ refused: ProtoFieldNumbers) -> ProtoError? {
            bytes.withUnsafeBytes { buffer in
                do throws(ProtoError) {
                    _ = try arena.unpack(buffer, as: Samples.request, refusing: refused)
                    return nil
                } catch {
                    return error
                }
            }
        }
        let whole = Samples.requestParts.reduce(Data(), +)
        #expect(fault(whole, []) == nil)
        #expect(fault(whole, [4...4]) == ProtoError(.refusedField, field: "timeout_nano"))
        #expect(fault(whole, [5...63]) == ProtoError(.refusedField, field: "metadata"))
        // Metadata has fields 1 and 2, which are not the request's.
        #expect(fault(Samples.requestParts[4], [1...4]) == nil)
        // A field that the type does not have is unknown and nothing else.
        #expect(fault(Wire.field(63, "") + Wire.field(64, "") + Wire.field(65, 1), [6...63]) == nil)
    }

    // MARK: - Memory

    @Test func a_flood_of_unknown_fields_is_too_large_and_the_arena_lives() {
        let arena = ProtoArena(bytesMax: 32 << 20)
        var flood = Data(count: 4 << 20)
        flood.withUnsafeMutableBytes { bytes in
            for index in stride(from: 0, to: bytes.count, by: 2) { bytes[index] = 15 << 3 }
        }
        #expect(fault(of: flood, as: Samples.request, in: arena) == ProtoError(.tooLarge))
        arena.reset()
        let good = Samples.requestParts.reduce(Data(), +)
        #expect(fault(of: good, as: Samples.request, in: arena) == nil)
    }
}
