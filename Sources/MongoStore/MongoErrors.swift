import CMongoC
import FeedbackCore
import FeedbackModel

/// A failure that libmongoc reports, or a server through it.
///
/// The texts of such errors may contain parts of documents and are dropped; the codes suffice.
struct MongoFailure: Error, CustomStringConvertible {
    private enum Kind {
        /// No suitable server was found within the selection timeout.
        case selection
        /// A connection broke or could not be opened.
        case network
        case authentication
        /// The server reported the code.
        case server
        /// Too few servers acknowledged a write, for the reason of the server's code.
        case writeConcern
        /// Any other error of libmongoc.
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

    /// Makes the failure of a reply's `writeConcernError`.
    init(writeConcernError: BSONDocument) {
        kind = .writeConcern
        code = Int32(clamping: writeConcernError["code"]?.integer ?? 0)
    }

    /// Makes the failure of a server's error code.
    init(serverCode: Int32) {
        kind = .server
        code = serverCode
    }

    /// The kind and the code.
    var description: String { "MongoDB: \(kind) (code \(code))" }

    /// True if no suitable server was found within the selection timeout.
    var isSelection: Bool { kind == .selection }

    /// True if a further attempt may succeed: with another primary or another connection.
    var isTransient: Bool {
        switch kind {
        case .network, .writeConcern: true
        case .server: Self.transientCodes.contains(code)
        case .selection, .authentication, .driver: false
        }
    }

    /// True if a reader of changes can go on once servers and connections are well again.
    var mayPass: Bool {
        switch kind {
        case .selection, .authentication: true
        default: isTransient
        }
    }

    /// True if a write would have made the document larger than MongoDB allows.
    var isDocumentTooLarge: Bool { kind == .server && [10_334, 17_419, 17_420].contains(code) }

    /// True if the update cannot work on `feedbacks`, because it is not an array, as
    /// `$concatArrays`, `$setIntersection` and `$in` report.
    var isOfNoArray: Bool { kind == .server && Self.noArrayCodes.contains(code) }

    private static let noArrayCodes: Set<Int32> = [28_664, 17_047, 40_081]

    /// True if a document with the same `_id` exists, although the filter did not match it.
    var isDuplicateKey: Bool { kind == .server && code == 11_000 }

    /// True if the server may have refused one element of an update, rather than the document, the
    /// user or the disk.
    var mayBeOfOneElement: Bool {
        kind == .server && !isOfNoArray && ![13, 11_000, 14_031].contains(code)
    }

    /// True if the server will never take this write: the fault lies neither in its own state nor in
    /// what the user may do.
    var isOfWrite: Bool {
        kind == .server && !isTransient && ![13, 18, 50, 8_000, 11_000, 14_031].contains(code)
    }

    /// Returns the error for a write that would have made the session's document larger than
    /// MongoDB allows.
    func documentTooLarge(session: String) -> CallError {
        CallError(
            .resourceExhausted,
            "session_id: the session \(session) would pass the 16 MB that MongoDB allows a "
                + "document: use another session",
            cause: self
        )
    }

    /// The error for callers, unless it names the session; see ``documentTooLarge(session:)`` and
    /// ``BulkWrite/Refusal/error(session:)``.
    var error: CallError {
        let (answer, message): (CallError.Code, String) =
            switch kind {
            case .selection: (.unavailable, "MongoDB cannot be reached, or has no primary")
            case .network: (.unavailable, "the connection to MongoDB broke")
            case .authentication: (.unavailable, "MongoDB refused the credentials")
            case .writeConcern:
                (.unavailable, "MongoDB could not make the write durable (its code \(code))")
            case .driver: (.internal, "the store failed (libmongoc's code \(code))")
            case .server: Self.answer(toServerCode: code)
            }
        return CallError(answer, message, cause: self)
    }

    /// The code of a standalone server that is asked for a change stream.
    static let noReplicaSet: Int32 = 40_573

    private static func answer(toServerCode code: Int32) -> (CallError.Code, String) {
        switch code {
        case 50: (.deadlineExceeded, "MongoDB did not finish in the time that the call has")
        case 18: (.unavailable, "MongoDB refused the credentials")
        case 13, 8_000: (.unavailable, "MongoDB does not permit the user to do this")
        case 11_000: (.unavailable, "whether MongoDB has the write could not be found out")
        case 280, 286:
            (
                .outOfRange,
                "start_position: is of changes that are no longer kept: \(LogEpoch.remedy)"
            )
        case noReplicaSet:
            (
                .failedPrecondition,
                "changes cannot be followed on a standalone MongoDB server: it needs a replica set"
            )
        case 14_031: (.resourceExhausted, "MongoDB's disk is full")
        case _ where transientCodes.contains(code):
            (.unavailable, "MongoDB cannot serve now (its code \(code))")
        default: (.internal, "the store failed (MongoDB's code \(code))")
        }
    }

    /// The codes of a server that shuts down, is about to become or no longer is the primary, or is
    /// disturbed by others: those that drivers retry (Retryable Writes and Retryable Reads
    /// specifications), and WriteConflict, LockTimeout, SnapshotUnavailable,
    /// FailedToSatisfyReadPreference, CursorNotFound, CursorKilled, QueryPlanKilled, Interrupted,
    /// StaleShardVersion, StaleEpoch.
    private static let transientCodes: Set<Int32> = [
        6, 7, 24, 64, 89, 91, 100, 112, 133, 134, 189, 246, 262, 9_001, 10_107, 11_600, 11_602,
        13_435, 13_436, 13_388, 43, 237, 175, 11_601, 63, 150,
    ]
}
