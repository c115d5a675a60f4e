internal import FeedbackModel
internal import Logging
internal import RPC

/// The one place where what was thrown becomes what the peer is told.
struct StatusMapping: Sendable {
    let logger: Logger

    func status(of error: any Error) -> RPCStatus {
        switch error {
        case let error as FeedbackError: status(of: error)
        case let status as RPCStatus: status
        case is CancellationError: RPCStatus(.cancelled, "the call was cancelled")
        default: unknown(error)
        }
    }

    private func status(of error: FeedbackError) -> RPCStatus {
        switch error.code {
        case .internal, .dataLoss, .unknown:
            logger.error("\(error)")
        default:
            logger.debug("\(error)")
        }
        if let cause = error.cause { logger.debug("caused by: \(cause)") }
        return RPCStatus(
            RPCStatus.Code(rawValue: error.code.rawValue) ?? .unknown,
            error.message,
            violations: error.violations.map {
                RPCStatus.FieldViolation(field: $0.field, description: $0.description)
            },
            retryDelay: error.retryAfter
        )
    }

    /// The text of an error from elsewhere may hold anything, a comment too: it stays here, and
    /// below the levels that are usually kept.
    private func unknown(_ error: any Error) -> RPCStatus {
        logger.error("a call failed with an error of type \(type(of: error))")
        logger.debug("the error: \(error)")
        return RPCStatus(.internal, "internal error")
    }
}
