import FeedbackCore
import FeedbackModel
import Logging
import Synchronization

/// The intents whose outcome is open.
extension JournaledStore {
    /// The number of intents whose adds ended without a known outcome.
    var openCount: Int { state.withLock { $0.endedAt.count } }

    /// Marks an add as in progress.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if the outcome of too many is open.
    func begin(_ id: FeedbackID) throws {
        let mayBegin = state.withLock { state in
            guard state.endedAt.count < limits.openMax else { return false }
            state.inProgress.insert(id)
            return true
        }
        if mayBegin { return }
        throw CallError(
            .resourceExhausted,
            "the outcome of \(limits.openMax) adds is open: they are being looked up"
        )
    }

    /// Confirms or drops the intent of an add that has ended.
    func settle(_ id: FeedbackID, isStored: Bool, in journal: SQLiteStore) async {
        do {
            try await journal.submit(.settle(id, isStored: isStored), context: CallContext())
            state.withLock { _ = $0.inProgress.remove(id) }
        } catch {
            // The intent stays, and is looked up like those with an unknown outcome.
            leaveOpen(id)
        }
    }

    /// Leaves the intent of an add that has ended to be looked up.
    func leaveOpen(_ id: FeedbackID) {
        state.withLock { state in
            state.endedAt[id] = .now
            state.inProgress.remove(id)
        }
        wakeup.signal()
    }

    /// Looks up intents until the task is cancelled.
    func resolveIntents(in journal: SQLiteStore) async {
        while !Task.isCancelled {
            let isAnyOpen = await resolveAll(in: journal)
            await wakeup.wait(atMost: isAnyOpen ? limits.lookupPause : nil)
        }
    }

    /// Looks up the intents whose adds have ended; returns true if some are still open.
    private func resolveAll(in journal: SQLiteStore) async -> Bool {
        var isAnyOpen = false
        do {
            var last: FeedbackID?
            while !Task.isCancelled {
                let batch = try await journal.intents(after: last, limit: 64)
                guard let end = batch.last?.id else { break }
                last = end
                for intent in batch where !Task.isCancelled {
                    if try await !resolve(intent, in: journal) { isAnyOpen = true }
                }
            }
            state.withLock { $0.isBlind = false }
        } catch {
            isAnyOpen = true
            // The failure is logged as a warning once, not at each attempt while it lasts.
            let wasBlind = state.withLock { state in
                defer { state.isBlind = true }
                return state.isBlind
            }
            logger.log(
                level: wasBlind ? .debug : .warning,
                "adds with an open outcome wait to be looked up: \(error)"
            )
        }
        return isAnyOpen
    }

    /// Confirms or drops an intent; returns false if it stays open.
    private func resolve(_ intent: Feedback, in journal: SQLiteStore) async throws -> Bool {
        guard let id = intent.id else { return true }
        let endedAt: ContinuousClock.Instant? = state.withLock { state in
            state.inProgress.contains(id) ? nil : state.endedAt[id] ?? state.openedAt
        }
        // The call itself decides.
        guard let endedAt else { return true }
        // The time is taken before the lookup: what is not found then cannot come later.
        let canBeDropped = ContinuousClock.now - endedAt > limits.dropTimeout
        let context = CallContext(deadline: .now + limits.findTimeout)
        let isStored = try await other.find(intent, context)
        guard isStored || canBeDropped else { return false }
        try await journal.submit(.settle(id, isStored: isStored), context: CallContext())
        state.withLock { $0.endedAt[id] = nil }
        return true
    }
}
