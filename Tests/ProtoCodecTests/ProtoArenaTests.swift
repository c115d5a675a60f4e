import CProtobufC
import CRPCProto
import Foundation
import TestSupport
import Testing

@testable import ProtoCodec

@Suite("the arena")
struct ProtoArenaTests {
    @Test(arguments: [100, 1_000, 16 * 1_024, 100_000, 1 << 20])
    func never_gives_out_more_than_its_cap(bytesMax: Int) {
        let arena = ProtoArena(bytesMax: bytesMax)
        var given = 0
        while arena.allocate(48) != nil { given += 48 }
        #expect(given <= bytesMax)
        #expect(given > bytesMax / 4)
        #expect(arena.limitWasReached)
    }

    @Test func a_refusal_is_reported_as_too_large() {
        let arena = ProtoArena(bytesMax: 20_000)
        #expect(throws: ProtoError(.tooLarge)) { try arena.allocate(of: UInt64.self, count: 2_500) }
        #expect(arena.limitWasReached)
        #expect(throws: ProtoError(.tooLarge)) {
            try arena.string(String(repeating: "x", count: 20_000))
        }
        #expect(throws: ProtoError(.tooLarge)) {
            while true { _ = try arena.make(Samples.request) }
        }
    }

    @Test func a_small_allocation_fits_after_a_large_one_was_refused() {
        let arena = ProtoArena(bytesMax: 32 * 1_024)
        #expect(arena.allocate(1 << 20) == nil)
        #expect(arena.allocate(1_000) != nil)
    }

    @Test func a_reset_gives_everything_back() throws {
        let arena = ProtoArena(bytesMax: 16 << 20)
        let before = try residentBytes()
        for _ in 0..<100 {
            let memory = try #require(arena.allocate(8 << 20))
            memset(memory, 1, 8 << 20)
            #expect(arena.allocate(16 << 20) == nil)
            #expect(arena.limitWasReached)
            arena.reset()
            #expect(!arena.limitWasReached)
        }
        // Without freeing, it would be 800 MiB.
        #expect(try residentBytes() - before < 200 << 20)
    }

    @Test func every_allocation_is_aligned_and_apart_from_all_others() throws {
        let arena = ProtoArena(bytesMax: 1 << 20)
        var places: [Range<UInt>] = []
        for size in (0...300).flatMap({ [$0, $0 * 7] }) {
            let memory: UnsafeMutableRawPointer = try #require(arena.allocate(size))
            let start = UInt(bitPattern: memory)
            #expect(start.isMultiple(of: 16))
            places.append(start..<start + UInt(size))
        }
        places.removeAll(where: \.isEmpty)
        places.sort { $0.lowerBound < $1.lowerBound }
        for (place, next) in zip(places, places.dropFirst()) {
            #expect(place.upperBound <= next.lowerBound)
        }
    }

    @Test func one_allocation_may_be_larger_than_any_block_before() throws {
        let arena = ProtoArena(bytesMax: 4 << 20)
        let small = try arena.allocate(of: UInt64.self, count: 1)
        small.initialize(to: 42)
        let count = 3 << 20
        let large = try arena.allocate(of: UInt8.self, count: count)
        large.initialize(repeating: 7, count: count)
        let after = try arena.allocate(of: UInt64.self, count: 1)
        after.initialize(to: 43)
        #expect(small.pointee == 42 && after.pointee == 43)
        #expect(large[0] == 7 && large[count - 1] == 7)
    }

    @Test(arguments: [
        "", "plain", "é", "日本語 🎉 e\u{301}\u{10FFFF}", String(repeating: "ü", count: 50_000),
    ])
    func text_comes_back_as_it_was(text: String) throws {
        let arena = ProtoArena(bytesMax: 1 << 20)
        let message = try arena.make(Samples.keyValue)
        message.pointee.key = try arena.string(text)
        message.pointee.value = try arena.string("end")
        let bytes = packed(ProtoMessage(message))
        #expect(bytes == (text.isEmpty ? Data() : Wire.field(1, text)) + Wire.field(2, "end"))
        arena.reset()
        try bytes.withUnsafeBytes { buffer in
            let read = try arena.unpack(buffer, as: Samples.keyValue).pointee
            #expect(String(proto: read.key) == text)
            #expect(String(proto: read.value) == "end")
        }
    }

    @Test func text_with_a_nul_is_no_text_of_a_field() {
        let arena = ProtoArena(bytesMax: 1 << 20)
        for text in ["\0", "a\0b", "é\0"] {
            #expect(throws: ProtoError(.containsNUL, field: "comment")) {
                try arena.string(text, field: "comment")
            }
        }
    }

    @Test func a_message_with_every_field_comes_back_as_it_was() throws {
        let arena = ProtoArena(bytesMax: 1 << 20)
        let message = try arena.make(Samples.request)
        message.pointee.service = try arena.string("feedback.v1.FeedbackService")
        message.pointee.method = try arena.string("日本語 é 🎉")
        let payload = try arena.allocate(of: UInt8.self, count: 4)
        for (index, byte) in [0, 255, 0, 128].enumerated() { payload[index] = UInt8(byte) }
        message.pointee.payload = ProtobufCBinaryData(len: 4, data: payload)
        message.pointee.timeout_nano = 1_500_000_000
        let metadata = try arena.allocate(of: UnsafeMutablePointer<Ttrpc__KeyValue>?.self, count: 1)
        let pair = try arena.make(Samples.keyValue)
        pair.pointee.key = try arena.string("key")
        pair.pointee.value = try arena.string("ключ")
        metadata[0] = pair
        message.pointee.metadata = metadata
        message.pointee.n_metadata = 1
        let bytes = packed(ProtoMessage(message))
        #expect(bytes == Samples.requestParts[0...4].reduce(Data(), +))

        arena.reset()
        try bytes.withUnsafeBytes { buffer in
            let read = try arena.unpack(buffer, as: Samples.request).pointee
            #expect(String(proto: read.service) == "feedback.v1.FeedbackService")
            #expect(String(proto: read.method) == "日本語 é 🎉")
            #expect(
                Data(bytes: read.payload.data, count: read.payload.len) == Data([0, 255, 0, 128])
            )
            #expect(read.timeout_nano == 1_500_000_000)
            #expect(read.n_metadata == 1)
            #expect(String(proto: read.metadata[0]?.pointee.value) == "ключ")
        }
    }

    @Test func no_bytes_are_the_default_message() throws {
        let arena = ProtoArena(bytesMax: 1 << 20)
        let built = try arena.make(Samples.request)
        #expect(ProtoMessage(built).packedSize == 0)
        let read = try arena.unpack(
            UnsafeRawBufferPointer(start: nil, count: 0),
            as: Samples.request
        )
        #expect(String(proto: read.pointee.service) == "")
        #expect(read.pointee.n_metadata == 0)
    }

    private func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            .split(separator: " ")
        return try #require(Int(fields[1])) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
