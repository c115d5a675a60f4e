/// The outcome of a call that did not succeed, with its gRPC status code.
///
/// The service, its stores, the wire protocols and the clients throw this one type. It travels as
/// `google.rpc.Status`, with ``violations`` as a `google.rpc.BadRequest` detail and ``retryDelay``
/// as a `google.rpc.RetryInfo` detail; ``cause`` stays in the process.
public struct CallError: Error, Sendable {
    /// The gRPC status codes except OK (grpc.io, "Status codes and their use in gRPC").
    public enum Code: Int32, Sendable, CaseIterable {
        case cancelled = 1
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case alreadyExists = 6
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case aborted = 10
        case outOfRange = 11
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
        case dataLoss = 15
        case unauthenticated = 16

        /// The code's name in gRPC's spelling, such as `INVALID_ARGUMENT`.
        public var name: String {
            switch self {
            case .cancelled: "CANCELLED"
            case .unknown: "UNKNOWN"
            case .invalidArgument: "INVALID_ARGUMENT"
            case .deadlineExceeded: "DEADLINE_EXCEEDED"
            case .notFound: "NOT_FOUND"
            case .alreadyExists: "ALREADY_EXISTS"
            case .permissionDenied: "PERMISSION_DENIED"
            case .resourceExhausted: "RESOURCE_EXHAUSTED"
            case .failedPrecondition: "FAILED_PRECONDITION"
            case .aborted: "ABORTED"
            case .outOfRange: "OUT_OF_RANGE"
            case .unimplemented: "UNIMPLEMENTED"
            case .internal: "INTERNAL"
            case .unavailable: "UNAVAILABLE"
            case .dataLoss: "DATA_LOSS"
            case .unauthenticated: "UNAUTHENTICATED"
            }
        }
    }

    /// A request field that breaks a rule.
    public struct FieldViolation: Sendable, Hashable {
        /// The path of the field, made of the proto file's field names, such as `author.id`.
        public var field: String
        /// The broken rule and the values that would be accepted; never the field's content.
        public var description: String

        /// Makes a violation.
        public init(field: String, description: String) {
            self.field = field
            self.description = description
        }
    }

    /// The gRPC status code.
    public var code: Code
    /// A text for people, which may be sent to the peer.
    ///
    /// It contains no feedback comment, no secret and no SQL.
    public var message: String
    /// The fields that break a rule, with ``Code/invalidArgument``.
    public var violations: [FieldViolation]
    /// The time to wait before the next attempt, with ``Code/resourceExhausted`` and
    /// ``Code/unavailable``; nil if it is unknown.
    ///
    /// The range is 0 to about 10,000 years (google.protobuf.Duration).
    public var retryDelay: Duration?
    /// The error that led to this one; it is logged and never sent to the peer.
    public var cause: (any Error)?

    /// Makes an error.
    public init(
        _ code: Code,
        _ message: String,
        violations: [FieldViolation] = [],
        retryDelay: Duration? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.violations = violations
        self.retryDelay = retryDelay
        self.cause = cause
    }

    /// Returns an INVALID_ARGUMENT error that names all `violations`.
    public static func invalid(_ violations: [FieldViolation]) -> CallError {
        CallError(
            .invalidArgument,
            violations.map { "\($0.field): \($0.description)" }.joined(separator: "; "),
            violations: violations
        )
    }

    /// Returns an INVALID_ARGUMENT error that names one field.
    public static func invalid(_ field: String, _ description: String) -> CallError {
        invalid([FieldViolation(field: field, description: description)])
    }
}

extension CallError: CustomStringConvertible {
    /// The code's name and the message.
    public var description: String { "\(code.name): \(message)" }
}

extension CallError: Hashable {
    /// Returns true if everything that travels is equal: all properties but ``cause``.
    public static func == (a: CallError, b: CallError) -> Bool {
        a.code == b.code && a.message == b.message && a.violations == b.violations
            && a.retryDelay == b.retryDelay
    }

    /// Hashes everything that travels: all properties but ``cause``.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(message)
        hasher.combine(violations)
        hasher.combine(retryDelay)
    }
}

extension CallError {
    /// The error for an answer that no message can carry.
    package static let replyTooLarge = CallError(
        .resourceExhausted,
        "the reply is larger than a message may be: ask for less at once"
    )

    /// Converts any thrown error into the error that the caller sees; no other place converts
    /// errors.
    ///
    /// The text of an unknown error may contain anything, even a feedback comment: such an error
    /// becomes the ``cause`` of INTERNAL with a generic message.
    public init(_ error: any Error) {
        switch error {
        case let error as CallError: self = error
        case is CancellationError: self.init(.cancelled, "the call was cancelled")
        default: self.init(.internal, "internal error", cause: error)
        }
    }
}
