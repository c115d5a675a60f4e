internal import CRPCProto
internal import ProtoCodec

/// gRPC's health checking protocol (grpc-proto, grpc/health/v1/health.proto).
public enum HealthService {
    /// The service's full name.
    public static let name = "grpc.health.v1.Health"

    private static let request = ProtoType(grpc__health__v1__health_check_request__init)
    private static let response = ProtoType(grpc__health__v1__health_check_response__init)

    /// Adds the Check method for the services that the router has at that time, and for "".
    ///
    /// - Parameters:
    ///   - router: where the method goes.
    ///   - isServing: asked on every call; must answer at once.
    public static func register(
        on router: inout Router,
        isServing: @escaping @Sendable () async -> Bool
    ) {
        let services = router.services.union([name, ""])
        router.unary(name, "Check", decode: decodeRequest, encode: encodeResponse) { service, _ in
            guard services.contains(service) else {
                throw RPCStatus(.notFound, "there is no such service")
            }
            return await isServing()
        }
    }

    /// Asks a server whether a service is served; "" asks for the server as a whole.
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
            throw RPCStatus(.internal, "the payload is not a HealthCheckRequest")
        }
    }

    private static func encodeResponse(
        _ isServing: Bool,
        _ arena: ProtoArena
    ) throws -> ProtoMessage {
        let message = try arena.make(response)
        message.pointee.status =
            isServing
            ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
            : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
        return ProtoMessage(message)
    }
}
