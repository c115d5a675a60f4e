/// A write, as a caller requests it and as hooks see it.
///
/// Every write takes the same route: decoding, the service, its hooks, the store.
public enum Change: Sendable, Hashable {
    /// Adds a feedback.
    case add(FeedbackDraft)
    /// Changes a session's metadata.
    case changeMetadata(sessionID: String, MetadataChange)

    /// The kind of a change, named as hooks and logs name it.
    public enum Action: String, Sendable, CaseIterable {
        case add
        case updateMetadata = "update_metadata"
        case deleteMetadata = "delete_metadata"
    }

    /// The kind of the change.
    public var action: Action {
        switch self {
        case .add: .add
        case .changeMetadata(_, .merge): .updateMetadata
        case .changeMetadata(_, .remove): .deleteMetadata
        }
    }

    /// The session to which the change applies.
    public var sessionID: String {
        switch self {
        case .add(let draft): draft.sessionID
        case .changeMetadata(let sessionID, _): sessionID
        }
    }

    /// Returns true if the change is certainly the same as the one that it was copied from; false if
    /// that would have to be compared.
    package func isCopy(of other: Change) -> Bool {
        switch (self, other) {
        case (.add(let draft), .add(let other)): draft.isCopy(of: other)
        case (.add, .changeMetadata), (.changeMetadata, _): false
        }
    }

    /// The feedback that is added; nil for other changes.
    public var draft: FeedbackDraft? { if case .add(let draft) = self { draft } else { nil } }
}

/// The outcome of a committed change.
public enum ChangeOutcome: Sendable, Hashable {
    /// The outcome of ``Change/add(_:)``.
    case added(AddedFeedback)
    /// The outcome of ``Change/changeMetadata(sessionID:_:)``: the metadata after the change.
    case metadata(Metadata)

    /// The feedback after the change; nil for a change of metadata.
    public var feedback: Feedback? {
        if case .added(let added) = self { added.feedback } else { nil }
    }
}

extension ChangeOutcome {
    /// Returns the outcome of an add.
    ///
    /// - Throws: INTERNAL if it is the outcome of another kind of change.
    package func added() throws(CallError) -> AddedFeedback {
        guard case .added(let added) = self else { throw .wrongOutcome }
        return added
    }

    /// Returns the outcome of a change of metadata.
    ///
    /// - Throws: INTERNAL if it is the outcome of another kind of change.
    package func metadata() throws(CallError) -> Metadata {
        guard case .metadata(let metadata) = self else { throw .wrongOutcome }
        return metadata
    }
}

extension CallError {
    /// The error for a call whose hook returned the outcome of another kind of change.
    fileprivate static let wrongOutcome = CallError(
        .internal,
        "a hook answered with the outcome of another change"
    )
}
