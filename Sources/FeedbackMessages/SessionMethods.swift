internal import CFeedbackProto
public import FeedbackModel
internal import ProtoCodec

/// The methods of `feedback.v1.SessionService`.
public enum SessionMethods {
    /// The service's full name.
    public static let service = "feedback.v1.SessionService"

    /// Merges keys into a session's metadata; the response is the metadata after the change.
    public static let updateMetadata = MethodCodec<Change, ChangeOutcome>(
        service,
        "UpdateMetadata",
        request: ProtoType(feedback__v1__update_metadata_request__init),
        unserved: UnservedFields.updateMetadata,
        response: ProtoType(feedback__v1__update_metadata_response__init),
        buildRequest: { change, message, arena in
            guard case .changeMetadata(let sessionID, .merge(let metadata)) = change else {
                preconditionFailure("the change is of another method")
            }
            message.session_id = try arena.string(sessionID, field: "session_id")
            message.metadata = try arena.message(of: metadata)
        },
        readRequest: { message in
            .changeMetadata(
                sessionID: String(proto: message.session_id),
                .merge(Metadata(message.metadata?.pointee))
            )
        },
        buildResponse: { outcome, message, arena in
            message.metadata = try arena.message(of: try outcome.metadata())
        },
        readResponse: { .metadata(Metadata($0.metadata?.pointee)) }
    )

    /// Returns a session's metadata; the request is the session_id.
    public static let getMetadata = MethodCodec<String, Metadata>(
        service,
        "GetMetadata",
        request: ProtoType(feedback__v1__get_metadata_request__init),
        unserved: UnservedFields.getMetadata,
        response: ProtoType(feedback__v1__get_metadata_response__init),
        buildRequest: { sessionID, message, arena in
            message.session_id = try arena.string(sessionID, field: "session_id")
        },
        readRequest: { String(proto: $0.session_id) },
        buildResponse: { metadata, message, arena in
            message.metadata = try arena.message(of: metadata)
        },
        readResponse: { Metadata($0.metadata?.pointee) }
    )

    /// Removes keys from a session's metadata; the response is the metadata after the change.
    public static let deleteMetadata = MethodCodec<Change, ChangeOutcome>(
        service,
        "DeleteMetadata",
        request: ProtoType(feedback__v1__delete_metadata_request__init),
        unserved: UnservedFields.deleteMetadata,
        response: ProtoType(feedback__v1__delete_metadata_response__init),
        buildRequest: { change, message, arena in
            guard case .changeMetadata(let sessionID, .remove(let keys)) = change else {
                preconditionFailure("the change is of another method")
            }
            message.session_id = try arena.string(sessionID, field: "session_id")
            message.keys = try arena.strings(keys, field: "keys")
            message.n_keys = keys.count
        },
        readRequest: { message in
            .changeMetadata(
                sessionID: String(proto: message.session_id),
                .remove([String](proto: message.keys, count: message.n_keys))
            )
        },
        buildResponse: { outcome, message, arena in
            message.metadata = try arena.message(of: try outcome.metadata())
        },
        readResponse: { .metadata(Metadata($0.metadata?.pointee)) }
    )
}
