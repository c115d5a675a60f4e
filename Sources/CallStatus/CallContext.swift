/// The caller, deadline, metadata and cancellation of a call: everything but its request.
public struct CallContext: Sendable {
    /// The calling process; nil for a call from within this process.
    public var peer: PeerCredentials?
    /// The time after which the caller no longer wants the answer; nil if there is no deadline.
    public var deadline: ContinuousClock.Instant?
    /// The metadata that the caller sent with the request.
    public var metadata: CallMetadata
    /// The maximum size of the answer as a message, in bytes; nil if it is not sent as one.
    public var replyBytesMax: Int?
    /// Reports whether the caller still waits for the answer; nil if the call cannot be cancelled.
    public var cancellation: (any CallCancellation)?

    /// Makes a context; the default is a call of the same process without a deadline.
    public init(
        peer: PeerCredentials? = nil,
        deadline: ContinuousClock.Instant? = nil,
        metadata: CallMetadata = [],
        replyBytesMax: Int? = nil,
        cancellation: (any CallCancellation)? = nil
    ) {
        self.peer = peer
        self.deadline = deadline
        self.metadata = metadata
        self.replyBytesMax = replyBytesMax
        self.cancellation = cancellation
    }

    /// True once the caller no longer waits for the answer.
    public var isCancelled: Bool { cancellation?.isCancelled ?? false }

    /// The error with which work that has not begun is dropped; nil if the work is still wanted.
    ///
    /// It is DEADLINE_EXCEEDED after the deadline and CANCELLED once the caller has gone away.
    public var dropError: CallError? {
        if let deadline, deadline <= .now {
            return CallError(.deadlineExceeded, "the deadline passed before the work began")
        }
        if isCancelled {
            return CallError(.cancelled, "the caller went away before the work began")
        }
        return nil
    }
}

/// Reports whether the answer to a call is still wanted.
public protocol CallCancellation: AnyObject, Sendable {
    /// True once the caller no longer waits for the answer; may be read from any thread.
    var isCancelled: Bool { get }
}

/// Pairs of key and value that a caller sent with its request, in order; a key may occur more than
/// once.
public typealias CallMetadata = [(key: String, value: CallMetadataValue)]

/// A value of a call's metadata.
public enum CallMetadataValue: Sendable, Hashable {
    /// Text.
    case text(String)
    /// Bytes, as under the gRPC keys that end with `-bin`.
    case binary([UInt8])
}
