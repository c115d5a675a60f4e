public import FeedbackModel

/// The policy for a write to a session that does not exist.
public enum MissingSessionPolicy: String, Sendable, CaseIterable {
    /// The write creates the session.
    case create
    /// The write is answered with NOT_FOUND.
    case reject
}

/// The state of a store, as health checks report it.
public enum StoreHealth: Sendable, Hashable {
    /// Calls are served.
    case serving
    /// Calls would fail, for the given reason.
    case notServing(String)
}

/// A database of feedback.
///
/// All methods may be called concurrently from any task; none blocks its thread. A method that
/// waits for I/O suspends, and the I/O happens on a queue of the store's own. The arguments meet
/// the field rules.
///
/// Every error is a ``CallError``; after an error nothing has changed, except that after
/// UNAVAILABLE and DEADLINE_EXCEEDED a write may have been committed. A call that has ended before
/// its work began is dropped with CANCELLED or DEADLINE_EXCEEDED.
public protocol Store: Sendable {
    /// Makes a change durably.
    ///
    /// An add with a `requestID` that its session has already is answered with the original
    /// feedback. The store makes one transaction of the changes that arrive while the former
    /// transaction is being written (group commit); a lone change never waits for others.
    /// Identifiers ascend from change to change, and a store may order the feedback of sessions by
    /// them.
    ///
    /// - Throws: NOT_FOUND for a session that does not exist under ``MissingSessionPolicy/reject``;
    ///   INVALID_ARGUMENT if metadata would exceed ``FieldLimits/metadataBytesMax``;
    ///   RESOURCE_EXHAUSTED if the write queue or the disk is full; UNAVAILABLE if the database
    ///   cannot be reached; CANCELLED or DEADLINE_EXCEEDED if the call ended before the write
    ///   began.
    func commit(_ change: AcceptedChange, context: CallContext) async throws -> ChangeOutcome

    /// Returns a page of feedback in the order of insertion, or its reverse.
    ///
    /// `query.pageSize` is in 1...1000.
    ///
    /// - Throws: INVALID_ARGUMENT for a page token that this store did not make for this query.
    func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage

    /// Returns exact metrics.
    func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport

    /// Returns a session's metadata; nil if the session does not exist.
    func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata?

    /// Begins to read the change log: all feedback, in the order of its last changes.
    ///
    /// - Throws: INVALID_ARGUMENT for a position that no store gives; OUT_OF_RANGE for one of another
    ///   store, of a change that has not been made, or of changes that are no longer kept;
    ///   FAILED_PRECONDITION if the database keeps no log.
    func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader

    /// Returns whether calls would be served now; answers at once, even while writes are stuck.
    func health() async -> StoreHealth

    /// Finishes the accepted writes, refuses further ones, and closes the database.
    func close() async
}

extension Store {
    /// Returns a page for a call without a deadline.
    package func list(_ query: FeedbackQuery) async throws -> FeedbackPage {
        try await list(query, context: CallContext())
    }

    /// Returns metrics for a call without a deadline.
    package func metrics(_ query: MetricsQuery) async throws -> MetricsReport {
        try await metrics(query, context: CallContext())
    }

    /// Returns metadata for a call without a deadline.
    package func metadata(ofSession sessionID: String) async throws -> Metadata? {
        try await metadata(ofSession: sessionID, context: CallContext())
    }
}
