internal import CProtobufC
internal import CRPCProto
internal import CallStatus
internal import ProtoCodec

/// Converts between ``CallError`` and `google.rpc.Status` with its details.
extension CallError {
    private static let status = ProtoType(google__rpc__status__init)
    private static let any = ProtoType(google__protobuf__any__init)
    private static let retryInfo = ProtoType(google__rpc__retry_info__init)
    private static let duration = ProtoType(google__protobuf__duration__init)
    private static let badRequest = ProtoType(google__rpc__bad_request__init)
    private static let fieldViolation = ProtoType(
        google__rpc__bad_request__field_violation__init
    )
    private static let badRequestURL = "type.googleapis.com/google.rpc.BadRequest"
    private static let retryInfoURL = "type.googleapis.com/google.rpc.RetryInfo"
    /// The maximum of a duration's seconds (google/protobuf/duration.proto).
    private static let durationSecondsMax: Int64 = 315_576_000_000

    func message(
        in arena: ProtoArena
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Rpc__Status> {
        let message = try arena.make(Self.status)
        message.pointee.code = code.rawValue
        message.pointee.message = try arena.string(self.message)
        if !violations.isEmpty || retryDelay != nil {
            let details = try arena.allocate(
                of: UnsafeMutablePointer<Google__Protobuf__Any>?.self,
                count: 2
            )
            var count = 0
            if !violations.isEmpty {
                details[count] = try badRequestDetail(in: arena)
                count += 1
            }
            if let retryDelay {
                details[count] = try Self.retryInfoDetail(retryDelay, in: arena)
                count += 1
            }
            message.pointee.details = details
            message.pointee.n_details = count
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
        return try Self.detail(ProtoMessage(request), Self.badRequestURL, in: arena)
    }

    private static func retryInfoDetail(
        _ delay: Duration,
        in arena: ProtoArena
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Protobuf__Any> {
        let delay = max(.zero, min(delay, .seconds(durationSecondsMax)))
        let duration = try arena.make(Self.duration)
        duration.pointee.seconds = delay.components.seconds
        duration.pointee.nanos = Int32(delay.components.attoseconds / 1_000_000_000)
        let info = try arena.make(retryInfo)
        info.pointee.retry_delay = duration
        return try detail(ProtoMessage(info), retryInfoURL, in: arena)
    }

    private static func detail(
        _ content: ProtoMessage,
        _ url: String,
        in arena: ProtoArena
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Protobuf__Any> {
        let bytes = try arena.allocate(of: UInt8.self, count: content.packedSize)
        content.pack(to: bytes)
        let detail = try arena.make(any)
        detail.pointee.type_url = try arena.string(url)
        detail.pointee.value.data = bytes
        detail.pointee.value.len = content.packedSize
        return detail
    }

    /// Reads a status that is not OK.
    ///
    /// Details other than BadRequest and RetryInfo, and those that cannot be read, are ignored.
    init(_ message: Google__Rpc__Status, _ arena: ProtoArena) {
        self.init(
            Code(rawValue: message.code) ?? .unknown,
            String(proto: message.message)
        )
        for index in 0..<message.n_details {
            guard let detail = message.details[index]?.pointee else { continue }
            let bytes = UnsafeRawBufferPointer(start: detail.value.data, count: detail.value.len)
            switch String(proto: detail.type_url) {
            case Self.badRequestURL: addViolations(bytes, arena)
            case Self.retryInfoURL: setRetryDelay(bytes, arena)
            default: break
            }
        }
    }

    private mutating func addViolations(_ bytes: UnsafeRawBufferPointer, _ arena: ProtoArena) {
        guard let request = try? arena.unpack(bytes, as: Self.badRequest).pointee else { return }
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

    private mutating func setRetryDelay(_ bytes: UnsafeRawBufferPointer, _ arena: ProtoArena) {
        guard let info = try? arena.unpack(bytes, as: Self.retryInfo).pointee,
            let delay = info.retry_delay?.pointee,
            (0...Self.durationSecondsMax).contains(delay.seconds),
            (0..<1_000_000_000).contains(delay.nanos)
        else { return }
        retryDelay = .seconds(delay.seconds) + .nanoseconds(Int64(delay.nanos))
    }
}
