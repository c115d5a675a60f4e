public import FeedbackCore
public import FeedbackModel

extension MongoStore {
    /// Attempts once to make changes that are kept elsewhere, in order within each session.
    ///
    /// Any of them may have been made before: adds are known by their request_id or feedback_id, and
    /// keys of metadata are set to the same values again. At most
    /// ``MongoStoreLimits/replicationsMax`` calls run at once; those that run must not share a
    /// session.
    ///
    /// - Returns: one result for each change, in the same order. `refused` means that MongoDB will
    ///   never take this change; `undecided`, that it has to be attempted again before any later
    ///   change of its session.
    public func replicate(_ changes: [AcceptedChange]) async -> [CommitResult<ChangeOutcome>] {
        do {
            return try await replicators.run(CallContext()) { [self] in
                Replication(sessions: writableSessions, bulkBytesMax: bulkBytesMax).run(changes)
            }
        } catch {
            return changes.map { _ in .undecided(CallError(error)) }
        }
    }
}

/// One attempt to make changes in order.
private struct Replication {
    let sessions: SessionCollection
    let bulkBytesMax: Int

    func run(_ changes: [AcceptedChange]) -> [CommitResult<ChangeOutcome>] {
        var results: [CommitResult<ChangeOutcome>] = []
        results.reserveCapacity(changes.count)
        for part in parts(of: changes) {
            // A later change must not overtake one of the same session that has failed.
            if case .undecided(let error)? = results.last(where: \.isUndecided) {
                results += part.map { _ in .undecided(error) }
                continue
            }
            let writes = part.map(MongoWrite.init)
            results += MongoWrite.commit(writes, to: sessions, bulkBytesMax: bulkBytesMax).map(
                \.forReplication
            )
        }
        return results
    }

    /// The changes in order, cut so that each part is one bulk write of adds, or one change of
    /// metadata.
    private func parts(of changes: [AcceptedChange]) -> [ArraySlice<AcceptedChange>] {
        var parts: [ArraySlice<AcceptedChange>] = []
        var start = 0
        var bytes = 0
        func end(at index: Int) {
            if start < index { parts.append(changes[start..<index]) }
            start = index
            bytes = 0
        }
        for (index, change) in changes.enumerated() {
            guard case .add(let draft) = change.change else {
                end(at: index)
                end(at: index + 1)
                continue
            }
            // The names of the sessions are part of their updates.
            let added =
                2 * (512 + draft.sessionID.utf8.count)
                + draft.textBytes(
                    perTag: 16,
                    perAttribute: 16
                )
            if bytes + added > bulkBytesMax / 2 { end(at: index) }
            bytes += added
        }
        end(at: changes.count)
        return parts
    }
}

extension CommitResult {
    fileprivate var isUndecided: Bool { if case .undecided = self { true } else { false } }

    /// The result, with a refusal that is not for good as undecided.
    fileprivate var forReplication: CommitResult {
        guard case .refused(let error) = self else { return self }
        let refusal = CallError(error)
        switch refusal.code {
        case .invalidArgument, .notFound, .failedPrecondition: return self
        default:
            let isForGood = (refusal.cause as? MongoFailure)?.isOfWrite ?? false
            return isForGood ? self : .undecided(refusal)
        }
    }
}
