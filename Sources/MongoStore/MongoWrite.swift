import FeedbackCore
import FeedbackModel

/// A write that waits for its turn.
enum MongoWrite: Sendable {
    /// An add, which shares a bulk write with others.
    case append(Append)
    /// A change of metadata, which has a command of its own.
    case changeMetadata(MetadataWrite)

    init(_ change: AcceptedChange) {
        switch change.change {
        case .add(let draft):
            let feedback = Feedback(
                id: change.feedbackID,
                draft: draft,
                createdAt: change.acceptedAt
            )
            self = .append(Append(feedback: feedback, missingSession: change.missingSession))
        case .changeMetadata(let sessionID, let by):
            self = .changeMetadata(
                MetadataWrite(
                    sessionID: sessionID,
                    change: by,
                    missingSession: change.missingSession
                )
            )
        }
    }

    private var sessionID: String {
        switch self {
        case .append(let append): append.feedback.sessionID
        case .changeMetadata(let write): write.sessionID
        }
    }

    private var isExclusive: Bool {
        switch self {
        case .append: false
        case .changeMetadata: true
        }
    }

    static var ordering: CommitQueue<MongoWrite, ChangeOutcome>.WriteOrdering {
        .init(session: { $0.sessionID }, isExclusive: { $0.isExclusive })
    }

    /// Attempts once to commit a batch: several adds, or one change of metadata.
    static func commit(
        _ batch: [MongoWrite],
        to sessions: SessionCollection,
        bulkBytesMax: Int
    ) -> [CommitResult<ChangeOutcome>] {
        var appends: [Append] = []
        for write in batch {
            switch write {
            case .append(let append): appends.append(append)
            case .changeMetadata(let write): return [write.commit(to: sessions)]
            }
        }
        return AppendBatch.commit(appends, to: sessions, bulkBytesMax: bulkBytesMax)
    }
}
