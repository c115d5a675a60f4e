import CMongoC
import FeedbackModel

/// What libmongoc, or a server through it, reports.
///
/// Their texts may repeat documents and so are left behind: codes say enough.
struct MongoFailure: Error, CustomStringConvertible {
    private enum Kind {
        /// No server fit to answer was found within the selection timeout.
        case selection
        /// A connection broke, or could not be made.
        case network
        case authentication
        /// A code of the server's.
        case server
        /// A write was done by too few servers, for the server's code.
        case writeConcern
        /// Anything else of libmongoc's own.
        case driver
    }

    private let kind: Kind
    private let code: Int32

    init(_ error: bson_error_t) {
        code = Int32(bitPattern: error.code)
        kind =
            switch mongoc_error_domain_t(error.domain) {
            case MONGOC_ERROR_SERVER_SELECTION: .selection
            case MONGOC_ERROR_STREAM: .network
            case MONGOC_ERROR_CLIENT where error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE.rawValue,
                MONGOC_ERROR_SCRAM, MONGOC_ERROR_SASL:
                .authentication
            case MONGOC_ERROR_SERVER: .server
            case MONGOC_ERROR_WRITE_CONCERN: .writeConcern
            default: .driver
            }
    }

    /// Makes the failure that a reply's `writeConcernError` tells of.
    init(writeConcernError: BSONDocument) {
        kind = .writeConcern
        code = Int32(clamping: writeConcernError["code"]?.integer ?? 0)
    }

    /// Makes the failure that a server's code tells of.
    init(serverCode: Int32) {
        kind = .server
        code = serverCode
    }

    /// Kind and code.
    var description: String { "MongoDB: \(kind) (code \(code))" }

    /// Whether all servers were asked in vain for as long as may be.
    var isSelection: Bool { kind == .selection }

    /// Whether the next attempt may go better: another primary, another connection.
    var isPassing: Bool {
        switch kind {
        case .network, .writeConcern: true
        case .server: Self.passingCodes.contains(code)
        case .selection, .authentication, .driver: false
        }
    }

    /// Whether a write would have made the document larger than MongoDB allows.
    var isDocumentTooLarge: Bool { kind == .server && [10_334, 17_419, 17_420].contains(code) }

    /// Whether `feedbacks` is something that the update cannot work on: no array, as
    /// `$concatArrays`, `$setIntersection` and `$in` say.
    var isOfNoArray: Bool { kind == .server && Self.noArrayCodes.contains(code) }

    private static let noArrayCodes: Set<Int32> = [28_664, 17_047, 40_081]

    /// Whether a document with the same `_id` is there, though the filter did not find it.
    var isDuplicateKey: Bool { kind == .server && code == 11_000 }

    /// Whether one element of an update may be what the server refuses, rather than the document,
    /// the user or the disk.
    var mayBeOfOneElement: Bool {
        kind == .server && !isOfNoArray && ![13, 11_000, 14_031].contains(code)
    }

    /// What to answer to a write that would have made the session's document larger than that.
    func documentTooLarge(session: String) -> FeedbackError {
        FeedbackError(
            .resourceExhausted,
            "session_id: the session \(session) would pass the 16 MB that MongoDB allows a "
                + "document: use another session",
            cause: self
        )
    }

    /// The answer to callers: the only place where one is made of such a failure.
    var error: FeedbackError {
        let (answer, message): (FeedbackError.Code, String) =
            switch kind {
            case .selection: (.unavailable, "MongoDB cannot be reached, or has no primary")
            case .network: (.unavailable, "the connection to MongoDB broke")
            case .authentication: (.unavailable, "MongoDB refused the credentials")
            case .writeConcern:
                (.unavailable, "MongoDB could not make the write durable (its code \(code))")
            case .driver: (.internal, "the store failed (libmongoc's code \(code))")
            case .server: Self.answer(toServerCode: code)
            }
        return FeedbackError(answer, message, cause: self)
    }

    private static func answer(toServerCode code: Int32) -> (FeedbackError.Code, String) {
        switch code {
        case 50: (.deadlineExceeded, "MongoDB did not finish in the time that the call has")
        case 18: (.unavailable, "MongoDB refused the credentials")
        case 13, 8_000: (.unavailable, "MongoDB does not permit the user to do this")
        case 11_000: (.unavailable, "whether MongoDB has the write could not be found out")
        case 14_031: (.resourceExhausted, "MongoDB's disk is full")
        case _ where passingCodes.contains(code):
            (.unavailable, "MongoDB cannot serve now (its code \(code))")
        default: (.internal, "the store failed (MongoDB's code \(code))")
        }
    }

    /// Codes of a server that goes, is going to be or no longer is the primary, or is disturbed by
    /// others: those that drivers retry (Retryable Writes and Retryable Reads specifications), and
    /// WriteConflict, LockTimeout, SnapshotUnavailable, FailedToSatisfyReadPreference, CursorNotFound,
    /// CursorKilled, QueryPlanKilled, Interrupted, StaleShardVersion, StaleEpoch.
    private static let passingCodes: Set<Int32> = [
        6, 7, 24, 64, 89, 91, 100, 112, 133, 134, 189, 246, 262, 9_001, 10_107, 11_600, 11_602,
        13_435, 13_436, 13_388, 43, 237, 175, 11_601, 63, 150,
    ]
}
