public import Foundation
internal import Glibc

/// A blocking Unix socket that sends and receives raw bytes, for frames that no client would send.
///
/// Receiving fails after ``timeoutSeconds``, so that a test fails instead of hanging.
public final class RawConnection {
    /// The timeout of a receive, in seconds.
    public static let timeoutSeconds = 20

    /// A failure of the peer.
    public struct Failure: Error, CustomStringConvertible {
        /// The failure in words.
        public let description: String
    }

    /// A ttrpc frame.
    public struct Frame: Equatable {
        /// The stream id.
        public var streamID: UInt32
        /// The frame's type.
        public var kind: UInt8
        /// The flags.
        public var flags: UInt8
        /// The data of the frame.
        public var data: Data
    }

    private let descriptor: Int32

    /// Connects to the socket.
    public init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard outcome == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw Failure(description: "cannot connect to \(path): \(reason)")
        }
        var timeout = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, length)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, length)
    }

    deinit { Glibc.close(descriptor) }

    /// Sends all bytes; returns the number that the peer accepted before it closed or stopped
    /// reading.
    @discardableResult
    public func send(_ bytes: Data) -> Int {
        bytes.withUnsafeBytes { buffer in
            var sent = 0
            while sent < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                let count = Glibc.send(
                    descriptor,
                    rest.baseAddress,
                    rest.count,
                    Int32(MSG_NOSIGNAL)
                )
                if count <= 0 { break }
                sent += count
            }
            return sent
        }
    }

    /// Sends without blocking and returns the number of bytes that the socket accepted; nil if the
    /// peer has closed.
    public func sendWithoutWaiting(_ bytes: Data) -> Int? {
        bytes.withUnsafeBytes { buffer in
            let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
            let count = Glibc.send(descriptor, buffer.baseAddress, buffer.count, flags)
            if count >= 0 { return count }
            return errno == EAGAIN ? 0 : nil
        }
    }

    /// Receives exactly `count` bytes; nil if the peer closes before the first.
    public func receive(_ count: Int) throws -> Data? {
        var data = Data(count: count)
        var received = 0
        while received < count {
            let part = data.withUnsafeMutableBytes { buffer in
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[received...])
                return recv(descriptor, rest.baseAddress, rest.count, 0)
            }
            if part < 0, errno == EINTR { continue }
            if part < 0, errno != ECONNRESET {
                throw Failure(description: "nothing came: \(String(cString: strerror(errno)))")
            }
            if part <= 0 {
                if received == 0 { return nil }
                throw Failure(description: "the peer closed after \(received) of \(count) bytes")
            }
            received += part
        }
        return data
    }

    /// Receives a frame; nil if the peer closes instead.
    public func receiveFrame() throws -> Frame? {
        guard let header = try receive(10) else { return nil }
        let numbers = [UInt8](header)
        let length = numbers[0..<4].reduce(0) { $0 << 8 | Int($1) }
        let streamID = numbers[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
        let data = length == 0 ? Data() : try receive(length)
        return Frame(streamID: streamID, kind: numbers[8], flags: numbers[9], data: data ?? Data())
    }

    /// Returns true if the peer closes without sending anything before.
    public func isClosedByPeer() throws -> Bool { try receive(1) == nil }

    /// Shuts down the sending side.
    public func endOutput() { shutdown(descriptor, Int32(SHUT_WR)) }
}

/// Protobuf and ttrpc encodings, written by hand so that tests do not depend on the code under
/// test.
public enum Wire {
    /// Returns a ttrpc frame; `length` may differ from the data's own length.
    public static func frame(
        stream: UInt32,
        kind: UInt8 = 1,
        flags: UInt8 = 0,
        length: Int? = nil,
        _ data: Data
    ) -> Data {
        var bytes = Data()
        for shift in [24, 16, 8, 0] {
            bytes.append(UInt8(truncatingIfNeeded: (length ?? data.count) >> shift))
        }
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: stream >> shift)) }
        return bytes + [kind, flags] + data
    }

    /// Returns the data of a ttrpc request.
    public static func request(
        _ service: String,
        _ method: String,
        timeoutNanoseconds: Int64 = 0,
        _ payload: Data
    ) -> Data {
        var data = field(1, service) + field(2, method) + field(3, payload)
        if timeoutNanoseconds != 0 {
            data += field(4, UInt64(bitPattern: timeoutNanoseconds))
        }
        return data
    }

    /// Returns a complete call: the frame of a request.
    public static func call(
        stream: UInt32,
        _ service: String,
        _ method: String,
        timeoutNanoseconds: Int64 = 0,
        _ payload: Data
    ) -> Data {
        frame(
            stream: stream,
            request(service, method, timeoutNanoseconds: timeoutNanoseconds, payload)
        )
    }

    /// Returns a length-delimited field.
    public static func field(_ number: Int, _ content: Data) -> Data {
        varint(UInt64(number << 3 | 2)) + varint(UInt64(content.count)) + content
    }

    /// Returns a field with a text.
    public static func field(_ number: Int, _ text: String) -> Data {
        field(number, Data(text.utf8))
    }

    /// Returns a field with a number.
    public static func field(_ number: Int, _ value: UInt64) -> Data {
        varint(UInt64(number << 3)) + varint(value)
    }

    /// Returns a number as a protobuf varint.
    public static func varint(_ value: UInt64) -> Data {
        var bytes = Data()
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
        return bytes
    }

    /// Returns the fields of a message with their numbers; a varint is returned as its eight bytes.
    public static func fields(_ message: Data) -> [(number: Int, content: Data)] {
        var fields: [(Int, Data)] = []
        var rest = message[...]
        func number() -> UInt64 {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while let byte = rest.popFirst() {
                value |= UInt64(byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 { break }
            }
            return value
        }
        while !rest.isEmpty {
            let tag = number()
            switch tag & 7 {
            case 0: fields.append((Int(tag >> 3), withUnsafeBytes(of: number()) { Data($0) }))
            case 1:
                fields.append((Int(tag >> 3), Data(rest.prefix(8))))
                rest = rest.dropFirst(8)
            default:
                let length = Int(number())
                fields.append((Int(tag >> 3), Data(rest.prefix(length))))
                rest = rest.dropFirst(length)
            }
        }
        return fields
    }

    /// Returns the parts of a ttrpc response: the status code (0 for OK), its message, and the
    /// payload.
    public static func response(_ data: Data) -> (code: Int, message: String, payload: Data) {
        var result = (code: 0, message: "", payload: Data())
        for (number, content) in fields(data) {
            if number == 2 { result.payload = content }
            guard number == 1 else { continue }
            for (number, content) in fields(content) {
                if number == 1 { result.code = Int(content.first ?? 0) }
                if number == 2 { result.message = String(decoding: content, as: UTF8.self) }
            }
        }
        return result
    }
}
