internal import FeedbackModel

/// The last step before the store: assigns a change its identifier, its time and the policies that
/// hold for it.
struct ChangeWriter: Sendable {
    let store: any Store
    let missingSession: MissingSessionPolicy
    let clock: @Sendable () -> Timestamp
    private let ids = FeedbackIDGenerator()

    init(
        store: any Store,
        missingSession: MissingSessionPolicy,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.store = store
        self.missingSession = missingSession
        self.clock = clock
    }

    /// Accepts a change that meets the field rules.
    func accept(_ change: consuming Change) -> AcceptedChange {
        let now = clock()
        let policy: MissingSessionPolicy =
            switch change {
            case .changeMetadata(_, .remove): .reject
            case .add, .changeMetadata(_, .merge): missingSession
            }
        return AcceptedChange(
            change,
            feedbackID: ids.next(at: now),
            acceptedAt: now,
            missingSession: policy
        )
    }
}
