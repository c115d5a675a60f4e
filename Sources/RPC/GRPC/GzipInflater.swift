internal import CZlib

/// Decompresses messages of gRPC's encoding `gzip`.
enum GzipInflater {
    /// The reason why a message cannot be decompressed.
    enum Failure: Error, Equatable {
        /// The message has more bytes than the limit.
        case tooLarge
        /// The message is not gzip, or not the whole of it.
        case malformed
    }

    /// 15 stands for a window of 32 KiB, and 16 for gzip's header only (zlib.h, inflateInit2).
    private static let windowBits: Int32 = 15 + 16
    private static let firstBytes = 4 * 1_024

    /// Decompresses a whole message; at most one byte beyond the limit is ever produced.
    static func inflate(_ bytes: [UInt8], bytesMax: Int) throws(Failure) -> [UInt8] {
        try bytes.withUnsafeBytes { bytes in
            Result { () throws(Failure) in try inflate(bytes, bytesMax: bytesMax) }
        }.get()
    }

    private static func inflate(
        _ bytes: UnsafeRawBufferPointer,
        bytesMax: Int
    ) throws(Failure) -> [UInt8] {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, size) == Z_OK else {
            fatalError("out of memory")
        }
        defer { inflateEnd(&stream) }
        let start = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        stream.next_in = UnsafeMutablePointer(mutating: start)
        stream.avail_in = UInt32(bytes.count)

        let roomMax = bytesMax + 1
        var output = [UInt8](repeating: 0, count: min(firstBytes, roomMax))
        while true {
            let done = Int(stream.total_out)
            let code = output.withUnsafeMutableBufferPointer { buffer in
                let free = UnsafeMutableBufferPointer(rebasing: buffer[done...])
                stream.next_out = free.baseAddress
                stream.avail_out = UInt32(free.count)
                return CZlib.inflate(&stream, Z_NO_FLUSH)
            }
            let total = Int(stream.total_out)
            guard total <= bytesMax else { throw .tooLarge }
            switch code {
            case Z_STREAM_END:
                guard stream.avail_in == 0 else { throw .malformed }
                output.removeLast(output.count - total)
                return output
            // If there is room left in the output, the input has ended too early.
            case Z_OK, Z_BUF_ERROR:
                guard stream.avail_out == 0 else { throw .malformed }
                output += [UInt8](repeating: 0, count: min(total, roomMax - total))
            default: throw .malformed
            }
        }
    }
}
