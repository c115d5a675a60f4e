internal import CProtobufC
internal import CRPCProto
internal import ProtoCodec

/// Both directions between ``RPCStatus`` and `google.rpc.Status` with its details.
extension RPCStatus {
    private static let status = ProtoType(google__rpc__status__init)
    private static let any = ProtoType(google__protobuf__any__init)
    private static let badRequest = ProtoType(google__rpc__bad_request__init)
    private static let fieldViolation = ProtoType(
        google__rpc__bad_request__field_violation__init
    )
    private static let badRequestURL = "type.googleapis.com/google.rpc.BadRequest"

    func message(
        in arena: ProtoArena
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Rpc__Status> {
        let message = try arena.make(Self.status)
        message.pointee.code = code.rawValue
        message.pointee.message = try arena.string(self.message)
        if !violations.isEmpty {
            let details = try arena.allocate(
                of: UnsafeMutablePointer<Google__Protobuf__Any>?.self,
                count: 1
            )
            details[0] = try badRequestDetail(in: arena)
            message.pointee.details = details
            message.pointee.n_details = 1
        }
        return message
    }

    private func badRequestDetail(
        in arena: ProtoArena
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Protobuf__Any> {
        let request = try arena.make(Self.badRequest)
        let entries = try arena.allocate(
            of: UnsafeMutablePointer<Google__Rpc__BadRequest__FieldViolation>?.self,
            count: violations.count
        )
        for (index, violation) in violations.enumerated() {
            let entry = try arena.make(Self.fieldViolation)
            entry.pointee.field = try arena.string(violation.field)
            entry.pointee.description = try arena.string(violation.description)
            entries[index] = entry
        }
        request.pointee.field_violations = entries
        request.pointee.n_field_violations = violations.count

        let packed = ProtoMessage(request)
        let bytes = try arena.allocate(of: UInt8.self, count: packed.packedSize)
        packed.pack(to: bytes)
        let detail = try arena.make(Self.any)
        detail.pointee.type_url = try arena.string(Self.badRequestURL)
        detail.pointee.value.data = bytes
        detail.pointee.value.len = packed.packedSize
        return detail
    }

    /// Reads a status that is not OK.
    ///
    /// Details of other types are passed over.
    init(_ message: Google__Rpc__Status, _ arena: ProtoArena) {
        self.init(
            Code(rawValue: message.code) ?? .unknown,
            String(proto: message.message)
        )
        for index in 0..<message.n_details {
            guard let detail = message.details[index]?.pointee,
                String(proto: detail.type_url) == Self.badRequestURL
            else { continue }
            let bytes = UnsafeRawBufferPointer(start: detail.value.data, count: detail.value.len)
            guard let request = try? arena.unpack(bytes, as: Self.badRequest).pointee else {
                continue
            }
            for entry in 0..<request.n_field_violations {
                guard let violation = request.field_violations[entry]?.pointee else { continue }
                violations.append(
                    FieldViolation(
                        field: String(proto: violation.field),
                        description: String(proto: violation.description)
                    )
                )
            }
        }
    }
}
