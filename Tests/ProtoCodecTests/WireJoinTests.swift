import CFeedbackProto
import Foundation
import TestSupport
import Testing

@testable import ProtoCodec

/// What the golden vectors "in pieces" do not show of messages that come in parts.
@Suite("messages that come in parts")
struct WireJoinTests {
    private static let add = ProtoType(feedback__v1__add_feedback_request__init)

    private func source(_ bytes: Data, in arena: ProtoArena) throws -> (source: UInt32, id: String)
    {
        try bytes.withUnsafeBytes { bytes in
            let message = try arena.unpack(bytes, as: Self.add).pointee
            let author = try #require(message.author?.pointee)
            return (author.source.rawValue, String(proto: author.id))
        }
    }

    @Test func numbers_and_texts_of_all_parts_are_kept() throws {
        let arena = ProtoArena(bytesMax: 1 << 20)
        let (source, id) = (Wire.field(7, Wire.field(1, 2)), Wire.field(7, Wire.field(2, "anna")))
        for bytes in [
            source + id, id + source, id + Wire.field(1, "s") + source + Wire.field(7, ""),
        ] {
            let author = try self.source(bytes, in: arena)
            #expect(author == (2, "anna"))
        }
    }

    @Test func a_fault_in_a_part_is_named_as_any_other() {
        let bytes = Wire.field(7, Wire.field(1, 2)) + Wire.field(7, Wire.field(2, "\0"))
        #expect(fault(of: bytes, as: Self.add) == ProtoError(.containsNUL, field: "author.id"))
    }

    @Test func as_many_parts_as_there_may_be_are_joined_and_one_more_is_too_large() throws {
        let arena = ProtoArena(bytesMax: 32 << 20)
        let part = Wire.field(7, Wire.field(2, "x"))
        var bytes = Wire.field(7, Wire.field(1, 1))
        for _ in 0..<WireJoin.partsMax { bytes += part }
        let author = try source(bytes, in: arena)
        #expect(author == (1, "x"))
        arena.reset()
        #expect(fault(of: bytes + part, as: Self.add, in: arena) == ProtoError(.tooLarge))
    }

    @Test func parts_without_memory_for_them_are_too_large_and_the_arena_lives() throws {
        let arena = ProtoArena(bytesMax: 64 << 10)
        let parts = Wire.field(7, Wire.field(1, 1)) + Wire.field(7, Wire.field(2, "x"))
        let long = Wire.field(3, String(repeating: "x", count: 40 << 10))
        #expect(fault(of: parts + long, as: Self.add, in: arena) == ProtoError(.tooLarge))
        arena.reset()
        let author = try source(parts, in: arena)
        #expect(author == (1, "x"))
    }
}
