internal import ProtoCodec

/// A message with its prefix, packed in memory of its own so that it can be sent in parts.
struct GRPCPackedMessage {
    private let bytes: [UInt8]
    private var position = 0

    init(_ message: ProtoMessage) {
        let size = GRPCMessageDecoder.prefixBytes + message.packedSize
        bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            if let start = buffer.baseAddress { Self.write(message, to: start) }
            count = size
        }
    }

    /// The number of bytes that have not been written yet.
    var left: Int { bytes.count - position }

    /// Writes the next `count` bytes to `start`.
    mutating func write(_ count: Int, to start: UnsafeMutableRawPointer) {
        let part = position..<position + count
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: start, count: count)
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[part]))
        }
        position += count
    }

    /// Writes a whole message with its prefix to `start`.
    static func write(_ message: ProtoMessage, to start: UnsafeMutableRawPointer) {
        start.storeBytes(of: 0, as: UInt8.self)
        start.storeBytes(
            of: UInt32(message.packedSize).bigEndian,
            toByteOffset: 1,
            as: UInt32.self
        )
        message.pack(to: start + GRPCMessageDecoder.prefixBytes)
    }
}
