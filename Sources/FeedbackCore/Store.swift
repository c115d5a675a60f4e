public import FeedbackModel

/// What happens on a write to a session that nobody wrote to before.
public enum MissingSessionPolicy: String, Sendable, CaseIterable {
    /// The session is made.
    case create
    /// The write is answered with NOT_FOUND.
    case reject
}

/// How a store does.
public enum StoreHealth: Sendable, Hashable {
    /// Calls are served.
    case serving
    /// Calls would fail, for this reason.
    case notServing(String)
}

/// Where feedback is kept.
///
/// All methods may be called at once from any task; none blocks its thread. A method that has to
/// wait for I/O suspends, and the I/O happens on a queue of the store's own. Values that arrive here
/// keep the field rules.
///
/// Every error is a ``FeedbackError``; after one, nothing has changed. Work of a call that has ended
/// before the work began is dropped: CANCELLED or DEADLINE_EXCEEDED.
public protocol Store: Sendable {
    /// Stores a feedback durably, or answers with the one that has the same session and
    /// `requestID` already. The store makes one transaction of the appends that arrive while the
    /// former transaction is being written (group commit); a lone append never waits for company.
    /// Identifiers ascend from append to append, and a store may order sessions' feedback by them.
    ///
    /// - Throws: NOT_FOUND for an unknown session under ``MissingSessionPolicy/reject``;
    ///   RESOURCE_EXHAUSTED when the write queue or the disk is full; UNAVAILABLE when the database
    ///   cannot be reached; CANCELLED or DEADLINE_EXCEEDED when the call ended before the write
    ///   began.
    func append(
        _ feedback: Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback

    /// A page of feedback in insertion order, or its reverse. `query.pageSize` is in 1...1000.
    ///
    /// - Throws: INVALID_ARGUMENT for a page token that this store did not make for this query.
    func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage

    /// Exact metrics.
    func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport

    /// A session's metadata; nil if the session is unknown.
    func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata?

    /// Changes a session's metadata durably and returns it as it is then.
    ///
    /// - Throws: as ``append(_:missingSession:context:)``; INVALID_ARGUMENT when the metadata would
    ///   pass ``FieldLimits/metadataBytesMax``.
    func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> Metadata

    /// Whether calls would be served now. Answers at once, also while writes are stuck.
    func health() async -> StoreHealth

    /// Finishes the writes that were accepted, refuses further ones, and closes the database.
    func close() async
}

/// A store that queues alerts about its feedback.
public protocol AlertingStore: Store {
    /// Does what ``Store/append(_:missingSession:context:)`` does, and in the same transaction queues
    /// an alert for each of the rules that the feedback meets; one that was stored before queues
    /// none.
    func append(
        _ feedback: Feedback,
        alerting rules: [AlertRule],
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback

    /// The queued alerts.
    var outbox: any AlertOutbox { get }
}

extension AlertingStore {
    /// See ``Store``.
    public func append(
        _ feedback: Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> AddedFeedback {
        try await append(feedback, alerting: [], missingSession: missingSession, context: context)
    }
}

/// The durable queues of alerts, one for each rule's name.
///
/// Errors are as those of ``Store``.
public protocol AlertOutbox: Sendable {
    /// The pending alerts of a rule that are due, those that are so longest first.
    func due(of rule: String, at now: Timestamp, limit: Int) async throws -> [QueuedAlert]

    /// When the next pending alert of a rule is due; nil if there is none.
    func nextDue(of rule: String) async throws -> Timestamp?

    /// Notes durably what became of alerts; those that are gone are passed over.
    func settle(_ outcomes: [AlertOutcome]) async throws

    /// At most so many alerts of all rules, dead letters or pending ones, in the order of their ids,
    /// beyond the given one; and how many there are in all.
    func list(
        dead: Bool,
        after id: Int64,
        limit: Int
    ) async throws -> (alerts: [QueuedAlert], totalSize: Int64)

    /// Makes dead alerts pending again, due at that moment: those of the ids, or all if there are
    /// none. Returns how many.
    func retry(_ ids: [Int64], at now: Timestamp) async throws -> Int
}

/// A store that never waits, so that calls need no task.
public protocol ImmediateStore: Store {
    /// Does what ``Store/append(_:missingSession:context:)`` does, at once.
    func appendNow(
        _ feedback: consuming Feedback,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) throws -> AddedFeedback
}

extension Store {
    /// A page for a call that waits without end.
    package func list(_ query: FeedbackQuery) async throws -> FeedbackPage {
        try await list(query, context: CallContext())
    }

    /// Metrics for a call that waits without end.
    package func metrics(_ query: MetricsQuery) async throws -> MetricsReport {
        try await metrics(query, context: CallContext())
    }

    /// Metadata for a call that waits without end.
    package func metadata(ofSession sessionID: String) async throws -> Metadata? {
        try await metadata(ofSession: sessionID, context: CallContext())
    }
}
