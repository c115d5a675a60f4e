internal import CFeedbackProto
public import FeedbackModel
internal import ProtoCodec

/// The methods of `feedback.v1.SessionService`.
public enum SessionMethods {
    /// The service's full name.
    public static let service = "feedback.v1.SessionService"

    /// A request of UpdateMetadata.
    public struct Update: Sendable {
        /// The session.
        public var sessionID: String
        /// The keys that replace or join those of the session.
        public var metadata: Metadata

        /// Makes a request.
        public init(sessionID: String, metadata: Metadata) {
            self.sessionID = sessionID
            self.metadata = metadata
        }
    }

    /// A request of DeleteMetadata.
    public struct Deletion: Sendable {
        /// The session.
        public var sessionID: String
        /// The keys that go.
        public var keys: [String]

        /// Makes a request.
        public init(sessionID: String, keys: [String]) {
            self.sessionID = sessionID
            self.keys = keys
        }
    }

    /// Merges keys into a session's metadata; answers with the metadata after the change.
    public static let updateMetadata = MethodCodec<Update, Metadata>(
        service,
        "UpdateMetadata",
        request: ProtoType(feedback__v1__update_metadata_request__init),
        response: ProtoType(feedback__v1__update_metadata_response__init),
        buildRequest: { update, message, arena in
            message.session_id = try arena.string(update.sessionID, field: "session_id")
            message.metadata = try arena.message(of: update.metadata)
        },
        readRequest: { message in
            Update(
                sessionID: String(proto: message.session_id),
                metadata: Metadata(message.metadata?.pointee)
            )
        },
        buildResponse: { metadata, message, arena in
            message.metadata = try arena.message(of: metadata)
        },
        readResponse: { Metadata($0.metadata?.pointee) }
    )

    /// A session's metadata; the request is the session_id.
    public static let getMetadata = MethodCodec<String, Metadata>(
        service,
        "GetMetadata",
        request: ProtoType(feedback__v1__get_metadata_request__init),
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

    /// Removes keys from a session's metadata; answers with the metadata after the change.
    public static let deleteMetadata = MethodCodec<Deletion, Metadata>(
        service,
        "DeleteMetadata",
        request: ProtoType(feedback__v1__delete_metadata_request__init),
        response: ProtoType(feedback__v1__delete_metadata_response__init),
        buildRequest: { deletion, message, arena in
            message.session_id = try arena.string(deletion.sessionID, field: "session_id")
            message.keys = try arena.strings(deletion.keys, field: "keys")
            message.n_keys = deletion.keys.count
        },
        readRequest: { message in
            Deletion(
                sessionID: String(proto: message.session_id),
                keys: [String](proto: message.keys, count: message.n_keys)
            )
        },
        buildResponse: { metadata, message, arena in
            message.metadata = try arena.message(of: metadata)
        },
        readResponse: { Metadata($0.metadata?.pointee) }
    )
}
