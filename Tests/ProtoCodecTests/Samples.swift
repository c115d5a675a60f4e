import CFeedbackProto
import CProtobufC
import CRPCProto
import Foundation
import TestSupport

@testable import ProtoCodec

/// The message types that the tests use.
enum Samples {
    static let request = ProtoType(ttrpc__request__init)
    static let keyValue = ProtoType(ttrpc__key_value__init)
    static let status = ProtoType(google__rpc__status__init)
    static let health = ProtoType(grpc__health__v1__health_check_response__init)
    static let list = ProtoType(feedback__v1__list_feedbacks_request__init)
    static let structure = ProtoType(google__protobuf__struct__init)
    static let listValue = ProtoType(google__protobuf__list_value__init)

    /// The fields of a valid ttrpc request, in order.
    static let requestParts = [
        Wire.field(1, "feedback.v1.FeedbackService"),
        Wire.field(2, "日本語 é 🎉"),
        Wire.field(3, Data([0, 255, 0, 128])),
        Wire.field(4, 1_500_000_000),
        Wire.field(5, Wire.field(1, "key") + Wire.field(2, "ключ")),
        Wire.field(5, Wire.field(1, "k") + Wire.field(2, "")),
        Wire.field(99, "unknown"),
    ]
}

/// Returns the error with which decoding fails; nil if it succeeds.
func fault<Message>(
    of bytes: Data,
    as type: ProtoType<Message>,
    in arena: ProtoArena = ProtoArena(bytesMax: 1 << 20)
) -> ProtoError? {
    bytes.withUnsafeBytes { buffer in
        do throws(ProtoError) {
            _ = try arena.unpack(buffer, as: type)
            return nil
        } catch {
            return error
        }
    }
}

func packed(_ message: ProtoMessage) -> Data {
    var bytes = Data(count: message.packedSize)
    bytes.withUnsafeMutableBytes { buffer in
        if let start = buffer.baseAddress { message.pack(to: start) }
    }
    return bytes
}
