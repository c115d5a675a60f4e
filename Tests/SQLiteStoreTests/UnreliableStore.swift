import FeedbackCore
import FeedbackModel
import Synchronization

@testable import SQLiteStore

/// A store that fails at times.
final class UnreliableStore: Store {
    /// The point at which an add fails: before or after it is stored, or before it is stored later.
    enum Fault {
        case before, after, late, refusal, lookupFails
    }

    let fault = Mutex<Fault?>(nil)
    let isAway = Atomic(false)
    let lookups = Atomic(0)
    let memory = MemoryStore()
    let hasRoom = Atomic(false)
    /// The changes of each attempt to replicate.
    let attempts = Mutex<[[AcceptedChange]]>([])
    private let late = Mutex<AcceptedChange?>(nil)
    private static let error = CallError(.unavailable, "away")

    func has(_ feedback: Feedback) async throws -> Bool {
        lookups.add(1, ordering: .relaxed)
        if fault.withLock({ $0 == .lookupFails }) { throw Self.error }
        let page = try await memory.list(FeedbackQuery(pageSize: 1_000))
        return page.feedbacks.contains { $0.id == feedback.id }
    }

    /// The store as a journal uses it.
    var other: JournaledStore.Other {
        JournaledStore.Other(
            self,
            find: { try await self.has($0) && $1.dropError == nil },
            replicate: { await self.replicate($0) }
        )
    }

    /// The session whose adds are refused for good.
    static let fullSession = "full"

    private func replicate(_ changes: [AcceptedChange]) async -> [CommitResult<ChangeOutcome>] {
        attempts.withLock { $0.append(changes) }
        var results: [CommitResult<ChangeOutcome>] = []
        for change in changes {
            if isAway.load(ordering: .relaxed) {
                results.append(.undecided(Self.error))
            } else if change.change.sessionID == Self.fullSession, !hasRoom.load(ordering: .relaxed)
            {
                results.append(.refused(CallError(.resourceExhausted, "the session is full")))
            } else {
                do {
                    // An add with the same request_id or feedback_id is answered with the original.
                    if case .add(let draft) = change.change, draft.requestID.isEmpty,
                        let known = try await list(FeedbackQuery(pageSize: 1_000)).feedbacks
                            .first(where: { $0.id == change.feedbackID })
                    {
                        let added = AddedFeedback(feedback: known, replayed: true)
                        results.append(.done(.added(added)))
                        continue
                    }
                    results.append(.done(try await memory.commit(change, context: CallContext())))
                } catch {
                    results.append(.refused(error))
                }
            }
        }
        return results
    }

    func writeLate() async throws {
        guard let change = late.withLock({ $0 }) else { return }
        _ = try await memory.commit(change, context: CallContext())
    }

    func commit(_ change: AcceptedChange, context: CallContext) async throws -> ChangeOutcome {
        switch fault.withLock({ $0 }) {
        case .before: throw Self.error
        case .late:
            late.withLock { $0 = change }
            throw Self.error
        case .refusal: throw CallError.unknownSession
        case .after:
            _ = try await memory.commit(change, context: context)
            throw Self.error
        case .lookupFails, nil: return try await memory.commit(change, context: context)
        }
    }

    func readLog(from start: LogStart, context: CallContext) async throws -> any LogReader {
        try await memory.readLog(from: start, context: context)
    }

    func list(_ query: FeedbackQuery, context: CallContext) async throws -> FeedbackPage {
        try await memory.list(query, context: context)
    }

    func metrics(_ query: MetricsQuery, context: CallContext) async throws -> MetricsReport {
        try await memory.metrics(query, context: context)
    }

    func metadata(ofSession: String, context: CallContext) async throws -> Metadata? { nil }

    func health() async -> StoreHealth {
        isAway.load(ordering: .relaxed) ? .notServing("away") : .serving
    }

    // The store outlives the journal, as a database on other hosts does.
    func close() async {}
}
