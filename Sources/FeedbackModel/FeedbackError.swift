/// An operating error of the service, with gRPC's code for it.
public struct FeedbackError: Error, Sendable {
    /// gRPC's status codes but OK (grpc.io, "Status codes and their use in gRPC").
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

        /// The name in gRPC's own spelling, like `INVALID_ARGUMENT`.
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

    /// A field that breaks its rule.
    public struct FieldViolation: Sendable, Hashable {
        /// A path of the proto file's field names, like `author.id`.
        public var field: String
        /// Which rule is broken and what would be accepted; never the field's content.
        public var description: String

        /// Makes a violation.
        public init(field: String, description: String) {
            self.field = field
            self.description = description
        }
    }

    /// What kind of error.
    public var code: Code
    /// For people; it may be sent to the peer.
    ///
    /// Holds no comment, no secret and no SQL.
    public var message: String
    /// The fields at fault, with ``Code/invalidArgument``.
    public var violations: [FieldViolation]
    /// When to try again, with ``Code/resourceExhausted`` and ``Code/unavailable``; nil if that
    /// cannot be told.
    public var retryAfter: Duration?
    /// What led to it; for the log, never sent.
    public var cause: (any Error)?

    /// Makes an error.
    public init(
        _ code: Code,
        _ message: String,
        violations: [FieldViolation] = [],
        retryAfter: Duration? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.violations = violations
        self.retryAfter = retryAfter
        self.cause = cause
    }

    /// INVALID_ARGUMENT that names every field at fault.
    public static func invalid(_ violations: [FieldViolation]) -> FeedbackError {
        FeedbackError(
            .invalidArgument,
            violations.map { "\($0.field): \($0.description)" }.joined(separator: "; "),
            violations: violations
        )
    }

    /// INVALID_ARGUMENT that names the field at fault.
    public static func invalid(_ field: String, _ description: String) -> FeedbackError {
        invalid([FieldViolation(field: field, description: description)])
    }
}

extension FeedbackError: CustomStringConvertible {
    /// Code and message.
    public var description: String { "\(code.name): \(message)" }
}

extension FeedbackError.Code {
    /// What a caller is told about anything that was thrown.
    package init(of error: any Error) {
        switch error {
        case let error as FeedbackError: self = error.code
        case is CancellationError: self = .cancelled
        default: self = .internal
        }
    }
}
