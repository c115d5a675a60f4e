internal import CFeedbackProto
public import FeedbackModel
internal import ProtoCodec

/// The methods of `feedback.v1.AdminService`.
public enum AdminMethods {
    /// The service's full name.
    public static let service = "feedback.v1.AdminService"

    /// Returns how the daemon and its store are.
    public static let getStatus = MethodCodec<Void, ServerStatus>(
        service,
        "GetStatus",
        request: ProtoType(feedback__v1__get_status_request__init),
        response: ProtoType(feedback__v1__get_status_response__init),
        buildRequest: { _, _, _ in },
        readRequest: { _ in },
        buildResponse: { status, message, arena in
            message.version = try arena.string(status.version)
            message.started_at = try arena.message(of: status.startedAt)
            message.store = try arena.string(status.store)
            message.position = try arena.string(status.position?.text ?? "")
            message.destinations = try arena.messages(of: status.destinations)
            message.n_destinations = status.destinations.count
            message.unreplicated = status.unreplicatedCount
            if let since = status.unreplicatedSince {
                message.unreplicated_since = try arena.message(of: since)
            }
        },
        readResponse: { message in
            guard let startedAt = message.started_at?.pointee else { throw MissingField() }
            let position = String(proto: message.position)
            return ServerStatus(
                version: String(proto: message.version),
                startedAt: try Timestamp(startedAt, field: "started_at"),
                store: String(proto: message.store),
                position: position.isEmpty ? nil : LogPosition(position),
                destinations: try [DestinationStatus](
                    message.destinations,
                    count: message.n_destinations
                ),
                unreplicatedCount: message.unreplicated,
                unreplicatedSince: try message.unreplicated_since.map {
                    try Timestamp($0.pointee, field: "unreplicated_since")
                }
            )
        }
    )
}
