/// The ten bytes before the data of a ttrpc frame, with big-endian integers (ttrpc, PROTOCOL.md).
enum TTRPCHeader {
    static let bytes = 10
    /// The maximum length of the data, which is ttrpc's own limit.
    static let dataLengthMax = 4 << 20

    private static let request: UInt8 = 1
    private static let remoteClosed: UInt8 = 1

    static func writeRequest(dataLength: Int, to frame: UnsafeMutableRawBufferPointer) {
        frame.storeBytes(of: UInt32(dataLength).bigEndian, as: UInt32.self)
        frame[8] = request
        frame[9] = remoteClosed
    }

    static func write(streamID: UInt32, to frame: UnsafeMutableRawBufferPointer) {
        frame.storeBytes(of: streamID.bigEndian, toByteOffset: 4, as: UInt32.self)
    }
}

/// A reply in the input buffer, parsed only as far as is needed to know whether the call succeeded.
struct TTRPCReply {
    let start: UnsafeRawPointer
    let dataLength: Int

    private static let response: UInt8 = 2
    private static let statusTag: UInt8 = 1 << 3 | 2
    private static let codeTag: UInt8 = 1 << 3

    /// Makes a reply of the frame at `start`, of which at least the header must have arrived.
    init(_ start: UnsafeRawPointer) {
        self.start = start
        dataLength = Int(
            UInt32(bigEndian: start.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        )
    }

    var frameBytes: Int { TTRPCHeader.bytes + dataLength }

    var streamID: UInt32 {
        UInt32(bigEndian: start.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    }

    var isResponse: Bool { start.load(fromByteOffset: 8, as: UInt8.self) == Self.response }

    /// True if the frame is a response of WatchFeedbacks with a change, which is its field 1.
    var isChange: Bool {
        dataLength > 0
            && (start + TTRPCHeader.bytes).load(as: UInt8.self) == Self.statusTag
    }

    /// The status code, 0 for OK; the complete frame must have arrived.
    ///
    /// Servers write the envelope's fields in ascending order, so a response that does not begin
    /// with field 1, the status, has none. A status in turn begins with field 1, its code.
    var statusCode: Int {
        let data = UnsafeRawBufferPointer(start: start + TTRPCHeader.bytes, count: dataLength)
        guard let first = data.first, first == Self.statusTag else { return 0 }
        var at = 1
        while at < data.count, data[at] > 0x7F { at += 1 }
        let code = at + 1
        guard code + 1 < data.count, data[code] == Self.codeTag else { return 0 }
        return Int(data[code + 1])
    }
}
