/// The header of a ttrpc frame: ten bytes, integers big-endian (ttrpc, PROTOCOL.md).
struct TTRPCFrameHeader: Equatable {
    static let bytes = 10

    enum Kind {
        static let request: UInt8 = 1
        static let response: UInt8 = 2
        static let data: UInt8 = 3
    }

    enum Flags {
        static let remoteClosed: UInt8 = 1
        static let remoteOpen: UInt8 = 2
        static let noData: UInt8 = 4
    }

    var dataLength: UInt32
    var streamID: UInt32
    var kind: UInt8
    var flags: UInt8

    init(dataLength: Int, streamID: UInt32, kind: UInt8, flags: UInt8 = 0) {
        self.dataLength = UInt32(dataLength)
        self.streamID = streamID
        self.kind = kind
        self.flags = flags
    }

    /// Reads the first ten bytes, which must be there.
    init(_ bytes: UnsafeRawBufferPointer) {
        dataLength = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        streamID = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        kind = bytes[8]
        flags = bytes[9]
    }

    /// Writes ten bytes to `start`.
    func write(to start: UnsafeMutableRawPointer) {
        start.storeBytes(of: dataLength.bigEndian, as: UInt32.self)
        start.storeBytes(of: streamID.bigEndian, toByteOffset: 4, as: UInt32.self)
        start.storeBytes(of: kind, toByteOffset: 8, as: UInt8.self)
        start.storeBytes(of: flags, toByteOffset: 9, as: UInt8.self)
    }
}
