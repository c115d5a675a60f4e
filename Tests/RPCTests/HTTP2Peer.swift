import CNGHTTP2
import Foundation
import TestSupport

/// An HTTP/2 client that works with plain frames (RFC 9113), for streams that no real client would
/// send.
///
/// Only the header fields of responses are decoded by a library.
final class HTTP2Peer {
    struct Frame: Equatable {
        var kind: UInt8
        var flags: UInt8
        var streamID: UInt32
        var payload: Data
    }

    /// Everything received on a stream.
    struct Response {
        var headers: [String: String] = [:]
        var trailers: [String: String] = [:]
        var data = Data()
        var isEnded = false
        var resetCode: UInt32?

        /// The gRPC status, in the trailers or the headers.
        var status: Int? { (trailers["grpc-status"] ?? headers["grpc-status"]).flatMap { Int($0) } }

        var message: String? { trailers["grpc-message"] ?? headers["grpc-message"] }

        /// The gRPC messages.
        var messages: [Data] {
            var messages: [Data] = []
            var rest = data[...]
            while rest.count >= 5 {
                let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
                messages.append(Data(rest.dropFirst(5).prefix(length)))
                rest = rest.dropFirst(5 + length)
            }
            return messages
        }

        /// The values of the Echo service's messages.
        var values: [String] {
            messages.map { message in
                let value = Wire.fields(message).first { $0.number == 2 }?.content ?? Data()
                return String(decoding: value, as: UTF8.self)
            }
        }
    }

    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    static let endStream: UInt8 = 1
    static let acknowledgement: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let preface = Data("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    let connection: RawConnection
    private(set) var responses: [UInt32: Response] = [:]
    /// The last stream ids and the codes of the received GOAWAY frames.
    private(set) var goAways: [(lastStreamID: UInt32, code: UInt32)] = []
    /// The payloads of the received PING acknowledgements.
    private(set) var pongs: [Data] = []
    /// True if settings and data are acknowledged on receipt.
    var acknowledges = true
    private var inflater: OpaquePointer?
    /// The number of bytes that may be sent on each stream; under 0, on the connection.
    private var windows: [UInt32: Int] = [:]

    /// Connects and sends the preface with the settings.
    init(_ path: String, settings: [(id: UInt16, value: UInt32)] = []) throws {
        connection = try RawConnection(path)
        nghttp2_hd_inflate_new(&inflater)
        let payload = settings.reduce(into: Data()) { data, entry in
            data += Self.bytes(UInt32(entry.id)).suffix(2) + Self.bytes(entry.value)
        }
        connection.send(Self.preface + Self.frame(Kind.settings, payload))
    }

    /// Connects and sends nothing.
    init(unopened path: String) throws {
        connection = try RawConnection(path)
        nghttp2_hd_inflate_new(&inflater)
    }

    deinit { nghttp2_hd_inflate_del(inflater) }

    // MARK: - Frames

    static func bytes(_ number: UInt32) -> Data {
        Data([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) })
    }

    static func frame(
        _ kind: UInt8,
        flags: UInt8 = 0,
        stream: UInt32 = 0,
        length: Int? = nil,
        _ payload: Data = Data()
    ) -> Data {
        bytes(UInt32(length ?? payload.count)).suffix(3) + [kind, flags] + bytes(stream) + payload
    }

    /// Returns a block of header fields, each literal and not indexed (RFC 7541, section 6.2.2).
    static func block(_ fields: [(String, String)]) -> Data {
        fields.reduce(into: Data()) { data, field in
            data.append(0)
            for text in [field.0, field.1] {
                data += integer(text.utf8.count) + Data(text.utf8)
            }
        }
    }

    /// Returns a length as an integer with a 7-bit prefix (RFC 7541, section 5.1).
    private static func integer(_ number: Int) -> Data {
        guard number >= 127 else { return Data([UInt8(number)]) }
        var bytes = Data([127])
        var rest = number - 127
        while rest >= 128 {
            bytes.append(UInt8(rest % 128 + 128))
            rest /= 128
        }
        return bytes + [UInt8(rest)]
    }

    static func requestFields(
        path: String = "/test.Echo/Echo",
        contentType: String = "application/grpc",
        _ others: [(String, String)] = []
    ) -> [(String, String)] {
        [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("te", "trailers"), ("content-type", contentType),
        ] + others
    }

    static func headers(
        stream: UInt32,
        endsStream: Bool = false,
        _ fields: [(String, String)]
    ) -> Data {
        frame(
            Kind.headers,
            flags: endHeaders | (endsStream ? endStream : 0),
            stream: stream,
            block(fields)
        )
    }

    /// Returns a message with its gRPC prefix.
    static func message(_ payload: Data, isCompressed: Bool = false) -> Data {
        Data([isCompressed ? 1 : 0]) + bytes(UInt32(payload.count)) + payload
    }

    /// Returns data in frames of at most 16 KiB.
    static func data(stream: UInt32, endsStream: Bool = true, _ bytes: Data) -> Data {
        var frames = Data()
        var rest = bytes[...]
        repeat {
            let part = rest.prefix(16_384)
            rest = rest.dropFirst(part.count)
            let flags = rest.isEmpty && endsStream ? endStream : 0
            frames += frame(Kind.data, flags: flags, stream: stream, Data(part))
        } while !rest.isEmpty
        return frames
    }

    /// Returns a complete call of the Echo service.
    static func call(
        stream: UInt32,
        _ method: String,
        _ value: String = "",
        _ others: [(String, String)] = []
    ) -> Data {
        headers(stream: stream, requestFields(path: "/\(EchoServer.service)/\(method)", others))
            + data(stream: stream, message(EchoServer.payload(value)))
    }

    static func reset(stream: UInt32, code: UInt32 = 8) -> Data {
        frame(Kind.reset, stream: stream, bytes(code))
    }

    static func windowUpdate(stream: UInt32, _ increment: UInt32) -> Data {
        frame(Kind.windowUpdate, stream: stream, bytes(increment))
    }

    // MARK: - Sending

    func send(_ bytes: Data) { connection.send(bytes) }

    /// Sends the data of a stream as far as the server's windows allow, unless the stream ends
    /// before.
    func sendWithinWindows(stream: UInt32, _ bytes: Data, endsStream: Bool = true) throws {
        var rest = bytes[...]
        while !rest.isEmpty, responses[stream]?.isEnded != true {
            let room = min(windows[0, default: 65_535], windows[stream, default: 65_535], 16_384)
            guard room > 0 else {
                if try receive() == nil { return }
                continue
            }
            let part = rest.prefix(room)
            rest = rest.dropFirst(part.count)
            send(Self.data(stream: stream, endsStream: endsStream && rest.isEmpty, Data(part)))
            windows[0, default: 65_535] -= part.count
            windows[stream, default: 65_535] -= part.count
        }
    }

    // MARK: - Receiving

    /// Receives and records a frame; returns nil if the peer closes.
    @discardableResult
    func receive() throws -> Frame? {
        guard let header = try connection.receive(9) else { return nil }
        let length = header.prefix(3).reduce(0) { $0 << 8 | Int($1) }
        let streamID = header.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
        let payload = length == 0 ? Data() : try connection.receive(length) ?? Data()
        let frame = Frame(kind: header[3], flags: header[4], streamID: streamID, payload: payload)
        note(frame)
        return frame
    }

    /// Receives until the stream has ended or the peer closes, and returns everything received on
    /// the stream.
    func response(_ stream: UInt32) throws -> Response {
        while responses[stream]?.isEnded != true, try receive() != nil {}
        return responses[stream] ?? Response()
    }

    /// Receives until the peer closes.
    func receiveAll() throws { while try receive() != nil {} }

    private func note(_ frame: Frame) {
        let ends = frame.flags & Self.endStream != 0
        switch frame.kind {
        case Kind.data:
            responses[frame.streamID, default: Response()].data += frame.payload
            if ends { responses[frame.streamID, default: Response()].isEnded = true }
            if acknowledges, !frame.payload.isEmpty {
                let count = UInt32(frame.payload.count)
                send(Self.windowUpdate(stream: 0, count))
                send(Self.windowUpdate(stream: frame.streamID, count))
            }
        case Kind.headers:
            let fields = inflate(frame.payload)
            var response = responses[frame.streamID, default: Response()]
            if response.headers.isEmpty {
                response.headers = fields
            } else {
                response.trailers = fields
            }
            response.isEnded = ends
            responses[frame.streamID] = response
        case Kind.reset:
            let code = frame.payload.reduce(0) { $0 << 8 | UInt32($1) }
            responses[frame.streamID, default: Response()].resetCode = code
            responses[frame.streamID, default: Response()].isEnded = true
        case Kind.settings:
            if acknowledges, frame.flags & Self.acknowledgement == 0 {
                send(Self.frame(Kind.settings, flags: Self.acknowledgement))
            }
        case Kind.ping:
            if frame.flags & Self.acknowledgement != 0 {
                pongs.append(frame.payload)
            } else if acknowledges {
                send(Self.frame(Kind.ping, flags: Self.acknowledgement, frame.payload))
            }
        case Kind.windowUpdate:
            let increment = frame.payload.reduce(0) { $0 << 8 | Int($1) }
            windows[frame.streamID, default: 65_535] += increment
        case Kind.goAway:
            let numbers = frame.payload.prefix(8)
            goAways.append(
                (
                    numbers.prefix(4).reduce(0) { $0 << 8 | UInt32($1) },
                    numbers.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
                )
            )
        default: break
        }
    }

    private func inflate(_ block: Data) -> [String: String] {
        var fields: [String: String] = [:]
        var rest = [UInt8](block)
        while true {
            var field = nghttp2_nv()
            var flags: Int32 = 0
            let count = nghttp2_hd_inflate_hd2(inflater, &field, &flags, rest, rest.count, 1)
            guard count >= 0 else { return fields }
            rest.removeFirst(count)
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                let name = UnsafeBufferPointer(start: field.name, count: field.namelen)
                let value = UnsafeBufferPointer(start: field.value, count: field.valuelen)
                fields[String(decoding: name, as: UTF8.self)] = String(
                    decoding: value,
                    as: UTF8.self
                )
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
                nghttp2_hd_inflate_end_headers(inflater)
                return fields
            }
        }
    }
}
