import CRPCProto
import CallStatus
import Foundation
import ProtoCodec
import TestSupport
import Testing

@testable import RPC

/// The vectors of `Proto/vectors`, against which clients in other languages are checked, too.
@Suite("golden frames and what they wrap")
struct VectorTests {
    private let arena = ProtoArena(bytesMax: 1 << 20)

    // MARK: - Frames

    @Test(arguments: try GoldenVector.all("frame").filter { $0.code == nil })
    func a_frame_has_its_meaning(_ vector: GoldenVector) throws {
        let meaning = try #require(vector.meaning)
        var decoder = TTRPCFrameDecoder(frameBytesMax: 4 << 20)
        var frames = 0
        try vector.bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while let event = try decoder.next(&rest) {
                guard case .frame(let header, let data) = event else { break }
                frames += 1
                #expect(Int64(header.dataLength) == meaning["length"].integer)
                #expect(Int64(header.streamID) == meaning["stream_id"].integer)
                #expect(Int64(header.kind) == meaning["frame_type"].integer)
                #expect(Int64(header.flags) == meaning["flags"].integer)
                var written = Data(count: TTRPCFrameHeader.bytes)
                written.withUnsafeMutableBytes { buffer in
                    if let start = buffer.baseAddress { header.write(to: start) }
                }
                #expect(written == vector.bytes.prefix(TTRPCFrameHeader.bytes))
                if header.kind == TTRPCFrameHeader.Kind.request {
                    data.withBytes { expectRequest($0, meaning) }
                } else {
                    data.withBytes {
                        expectResponse($0, meaning, isDecodeOnly: vector.isDecodeOnly)
                    }
                }
            }
            #expect(rest.isEmpty)
        }
        #expect(frames == 1)
    }

    private func expectRequest(_ data: UnsafeRawBufferPointer, _ meaning: JSON) {
        do {
            let request = try TTRPCEnvelope.decodeRequest(data, metadataBytesMax: 1 << 16)
            let (service, method) = (meaning["service"].string, meaning["method"].string)
            #expect(String(decoding: request.service, as: UTF8.self) == service)
            #expect(String(decoding: request.method, as: UTF8.self) == method)
            #expect(request.timeoutNanoseconds == meaning["timeout_nano"].integer)
            #expect(Data(request.payload) == (try meaning.payload))
            let metadata = request.metadata.map { pair -> JSON in
                guard case .text(let value) = pair.value else { return .null }
                return .object(["key": .string(pair.key), "value": .string(value)])
            }
            #expect(metadata == meaning["metadata"].elements)

            // Of the wrapped messages, only those of this module can be encoded here.
            guard meaning["payload_type"].string == "grpc.health.v1.HealthCheckRequest" else {
                return
            }
            let payload = try arena.unpack(request.payload, as: Self.healthRequest)
            let encoded = try TTRPCEnvelope.encodeRequest(
                service: service ?? "",
                method: method ?? "",
                timeoutNanoseconds: request.timeoutNanoseconds,
                payload: ProtoMessage(payload),
                arena
            )
            #expect(packed(encoded) == Data(data))
        } catch {
            Issue.record(error)
        }
    }

    private func expectResponse(
        _ data: UnsafeRawBufferPointer,
        _ meaning: JSON,
        isDecodeOnly: Bool
    ) {
        do {
            let encoded: Data
            switch try TTRPCEnvelope.decodeResponse(data, arena) {
            case .success(let payload):
                #expect((meaning["status"]["code"].integer ?? 0) == 0)
                #expect(Data(payload) == (try meaning.payload))
                let prefix = TTRPCEnvelope.PayloadPrefix(payloadBytes: payload.count)
                var bytes = Data(count: prefix.bytes)
                bytes.withUnsafeMutableBytes { buffer in
                    if let start = buffer.baseAddress { prefix.write(to: start) }
                }
                encoded = bytes + Data(payload)
            case .failure(let status):
                #expect(status == CallError(meaning["status"]))
                encoded = packed(try TTRPCEnvelope.encodeFailure(status, arena))
            }
            if !isDecodeOnly { #expect(encoded == Data(data)) }
        } catch {
            Issue.record(error)
        }
    }

    @Test func invalid_frames_are_refused_on_their_streams() throws {
        let echo = try EchoServer()
        let vectors = try GoldenVector.all("frame").filter { $0.code != nil }
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let connection = try RawConnection(echo.path)
            connection.send(vector.bytes)
            let answer = try #require(try connection.receiveFrame())
            let stream = vector.bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
            #expect(answer.streamID == stream, "\(vector)")
            let code = CallError.Code(rawValue: Int32(Wire.response(answer.data).code))
            #expect(code.map { name(of: $0) } == vector.code, "\(vector)")
        }
    }

    /// Returns the name of a code, such as `INVALID_ARGUMENT`.
    private func name(of code: CallError.Code) -> String {
        "\(code)".reduce(into: "") { name, letter in
            if letter.isUppercase { name += "_" }
            name += letter.uppercased()
        }
    }

    // MARK: - Messages

    private static let status = ProtoType(google__rpc__status__init)
    private static let healthRequest = ProtoType(grpc__health__v1__health_check_request__init)
    private static let healthResponse = ProtoType(grpc__health__v1__health_check_response__init)

    @Test(
        arguments: try GoldenVector.all("message")
            .filter { $0.type?.hasPrefix("feedback.v1.") != true }
    )
    func a_message_has_its_meaning(_ vector: GoldenVector) throws {
        let meaning = try #require(vector.meaning)
        let encoded = try vector.bytes.withUnsafeBytes { bytes -> Data in
            switch vector.type {
            case "google.rpc.Status":
                let status = CallError(try arena.unpack(bytes, as: Self.status).pointee, arena)
                #expect(status == CallError(meaning))
                return packed(ProtoMessage(try status.message(in: arena)))
            case "grpc.health.v1.HealthCheckRequest":
                let request = try arena.unpack(bytes, as: Self.healthRequest)
                #expect(String(proto: request.pointee.service) == meaning["service"].string ?? "")
                return packed(ProtoMessage(request))
            case "grpc.health.v1.HealthCheckResponse":
                let response = try arena.unpack(bytes, as: Self.healthResponse)
                let isServing =
                    response.pointee.status
                    == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                #expect(isServing == (meaning["status"].string == "SERVING"))
                return packed(ProtoMessage(response))
            default:
                Issue.record("there is no message \(vector.type ?? "without a type")")
                return Data()
            }
        }
        if !vector.isDecodeOnly { #expect(encoded == vector.bytes) }
    }

    private func packed(_ message: ProtoMessage) -> Data {
        var bytes = Data(count: message.packedSize)
        bytes.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { message.pack(to: start) }
        }
        return bytes
    }
}

extension JSON {
    fileprivate var payload: Data {
        get throws { try Data(hex: self["payload_hex"].string ?? "") }
    }
}

extension CallError {
    /// Makes an error from the JSON form of `google.rpc.Status`; details of other types are
    /// ignored.
    fileprivate init(_ status: JSON) {
        self.init(
            Code(rawValue: Int32(status["code"].integer ?? 0)) ?? .unknown,
            status["message"].string ?? "",
            violations: status["details"].elements.flatMap { detail in
                detail["fieldViolations"].elements.map {
                    FieldViolation(
                        field: $0["field"].string ?? "",
                        description: $0["description"].string ?? ""
                    )
                }
            }
        )
    }
}
