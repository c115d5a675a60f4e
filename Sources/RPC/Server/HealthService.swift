internal import CRPCProto
internal import CallStatus
internal import ProtoCodec

/// The health checking protocol of gRPC (grpc-proto, grpc/health/v1/health.proto).
public enum HealthService {
    /// The service's full name.
    public static let name = "grpc.health.v1.Health"

    /// The interval between two checks for a call of Watch.
    private static let watchInterval = Duration.milliseconds(500)

    private enum Status { case serving, notServing, serviceUnknown }

    private static let request = ProtoType(grpc__health__v1__health_check_request__init)
    private static let response = ProtoType(grpc__health__v1__health_check_response__init)

    /// Adds the methods Check and Watch for the services that the router has at this time, for the
    /// health service itself and for "", which is the server as a whole.
    ///
    /// - Parameters:
    ///   - router: the router that gets the methods.
    ///   - isServing: returns true while the services are served. It runs on every Check, and twice
    ///     a second for every Watch, and must return without delay.
    public static func register(
        on router: inout Router,
        isServing: @escaping @Sendable () async -> Bool
    ) {
        let services = router.services.union([name, ""])
        @Sendable func status(of service: String) async -> Status {
            guard services.contains(service) else { return .serviceUnknown }
            return await isServing() ? .serving : .notServing
        }
        router.unary(name, "Check", decode: decodeRequest, encode: encodeResponse) { service, _ in
            let status = await status(of: service)
            if status == .serviceUnknown {
                throw CallError(.notFound, "there is no such service")
            }
            return status
        }
        router.streaming(name, "Watch", decode: decodeRequest, encode: encodeResponse) {
            requests,
            responses,
            _ in
            let service = try await requests.only()
            var told: Status?
            while true {
                let status = await status(of: service)
                if status != told { try await responses.send(status) }
                told = status
                try await Task.sleep(for: watchInterval)
            }
        }
    }

    /// Returns true if a server serves a service; "" asks for the server as a whole.
    ///
    /// - Throws: NOT_FOUND if the server does not know the service; the errors of
    ///   ``RPCClient/call(_:_:timeout:encode:decode:)``.
    public static func check(
        _ service: String = "",
        with client: RPCClient,
        timeout: Duration
    ) async throws -> Bool {
        try await client.call(
            name,
            "Check",
            timeout: timeout,
            encode: { arena in
                let message = try arena.make(request)
                message.pointee.service = try arena.string(service)
                return ProtoMessage(message)
            },
            decode: { bytes, arena in
                let status = try arena.unpack(bytes, as: response).pointee.status
                return status
                    == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
            }
        )
    }

    private static func decodeRequest(
        _ bytes: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws -> String {
        do throws(ProtoError) {
            return String(proto: try arena.unpack(bytes, as: request).pointee.service)
        } catch {
            throw CallError(.internal, "the payload is not a HealthCheckRequest")
        }
    }

    private static func encodeResponse(
        _ status: Status,
        _ arena: ProtoArena
    ) throws -> ProtoMessage {
        let message = try arena.make(response)
        message.pointee.status =
            switch status {
            case .serving: GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
            case .notServing: GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
            case .serviceUnknown:
                GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
            }
        return ProtoMessage(message)
    }
}
