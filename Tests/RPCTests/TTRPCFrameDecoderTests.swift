import Foundation
import TestSupport
import Testing

@testable import RPC

@Suite("ttrpc frames")
struct TTRPCFrameDecoderTests {
    private enum Seen: Equatable {
        case frame(UInt32, UInt8, UInt8, Data)
        case oversized(UInt32, UInt32)
    }

    /// Decodes the pieces one after the other.
    private func decode(_ pieces: [Data], frameBytesMax: Int = 1 << 16) throws -> [Seen] {
        var decoder = TTRPCFrameDecoder(frameBytesMax: frameBytesMax)
        var seen: [Seen] = []
        for piece in pieces {
            try piece.withUnsafeBytes { bytes in
                var rest = bytes
                while let event = try decoder.next(&rest) {
                    switch event {
                    case .frame(let header, let data):
                        seen.append(
                            .frame(header.streamID, header.kind, header.flags, Data(data.copy))
                        )
                    case .oversized(let header):
                        seen.append(.oversized(header.streamID, header.dataLength))
                    }
                }
                #expect(rest.isEmpty)
            }
        }
        return seen
    }

    private let stream =
        Wire.frame(stream: 1, flags: 1, Data("hello".utf8)) + Wire.frame(stream: 3, kind: 3, Data())
        + Wire.frame(stream: 5, Data(repeating: 7, count: 300))

    private let frames: [Seen] = [
        .frame(1, 1, 1, Data("hello".utf8)), .frame(3, 3, 0, Data()),
        .frame(5, 1, 0, Data(repeating: 7, count: 300)),
    ]

    @Test func joined_frames_come_out_one_by_one() throws {
        #expect(try decode([stream]) == frames)
    }

    @Test func every_split_gives_the_same_frames() throws {
        for split in 0...stream.count {
            #expect(try decode([stream[..<split], stream[split...]]) == frames)
        }
    }

    @Test func one_byte_at_a_time_gives_the_same_frames() throws {
        #expect(try decode(stream.map { Data([$0]) }) == frames)
    }

    @Test func a_truncated_frame_gives_nothing() throws {
        for length in 0..<15 { #expect(try decode([stream[..<length]]).isEmpty) }
    }

    @Test func data_above_the_limit_is_thrown_away_and_the_next_frame_is_read() throws {
        let large = Wire.frame(stream: 7, Data(repeating: 1, count: 1001))
        let bytes = large + Wire.frame(stream: 9, Data("x".utf8))
        let expected: [Seen] = [.oversized(7, 1001), .frame(9, 1, 0, Data("x".utf8))]
        #expect(try decode([bytes], frameBytesMax: 1000) == expected)
        #expect(try decode(bytes.map { Data([$0]) }, frameBytesMax: 1000) == expected)
    }

    @Test func data_of_exactly_the_limit_is_accepted() throws {
        let data = Data(repeating: 1, count: 1000)
        let seen = try decode([Wire.frame(stream: 7, data)], frameBytesMax: 1000)
        #expect(seen == [.frame(7, 1, 0, data)])
    }

    @Test func a_length_whose_first_byte_is_not_zero_ends_the_stream() throws {
        #expect(throws: TTRPCFrameDecoder.FramingError.self) {
            try decode([stream, Data([1])])
        }
        #expect(throws: TTRPCFrameDecoder.FramingError.self) {
            try decode([Data("GET / HTTP/1.1\r\n".utf8)])
        }
    }

    @Test func decoding_stops_after_a_frame() throws {
        var decoder = TTRPCFrameDecoder(frameBytesMax: 1000)
        try stream.withUnsafeBytes { bytes in
            var rest = bytes
            let event = try decoder.next(&rest)
            #expect(event != nil)
            #expect(bytes.count - rest.count == 15)
        }
    }
}
