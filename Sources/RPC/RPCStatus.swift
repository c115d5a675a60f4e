/// The outcome of a call that is not OK, as it travels: `google.rpc.Status`.
public struct RPCStatus: Error, Sendable, Hashable {
    /// gRPC's status codes but OK.
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
    }

    /// One entry of a `google.rpc.BadRequest` detail.
    public struct FieldViolation: Sendable, Hashable {
        /// A path of field names.
        public var field: String
        /// Which rule is broken and what would be accepted.
        public var description: String

        /// Makes a violation.
        public init(field: String, description: String) {
            self.field = field
            self.description = description
        }
    }

    /// What kind of outcome.
    public var code: Code
    /// For people.
    public var message: String
    /// Sent as a `google.rpc.BadRequest` detail unless empty.
    public var violations: [FieldViolation]
    /// When to try again; sent as a `google.rpc.RetryInfo` detail unless nil.
    ///
    /// From 0 to about 10,000 years (google.protobuf.Duration).
    public var retryDelay: Duration?

    /// Makes a status.
    public init(
        _ code: Code,
        _ message: String,
        violations: [FieldViolation] = [],
        retryDelay: Duration? = nil
    ) {
        self.code = code
        self.message = message
        self.violations = violations
        self.retryDelay = retryDelay
    }
}

extension RPCStatus: CustomStringConvertible {
    /// The message.
    public var description: String { message }
}
