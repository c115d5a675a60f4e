internal import FeedbackModel

extension Cursor {
    /// Pauses the cursor, or lets it go on, durably.
    func setPaused(_ paused: Bool) async throws {
        try await open()
        try await store.setPaused(destination.name, paused)
        isPaused = paused
        wakeup.signal()
    }

    /// Puts the cursor to another place of the log.
    func rewind(to start: LogStart) async throws {
        try await open()
        // Nothing that is recorded meanwhile may put the position back to where it was.
        isRewinding = true
        defer {
            isRewinding = false
            wakeup.signal()
        }
        let number = try await store.rewind(destination.name, to: start)
        rewinds += 1
        pending = []
        for sequence in flights.keys { flights[sequence]?.isListed = true }
        readUpTo = number
        recordedPosition = number
        highestSettled = 0
        isAtEnd = false
    }

    /// Looks into the list of deliveries, which somebody else has changed.
    func listChanged() {
        due = []
        nextDue = .now
        wakeup.signal()
    }

    /// Returns the state of the cursor, as it was last recorded.
    func status() async throws -> DestinationStatus {
        try await open()
        let record = try await store.status(of: destination.name)
        var status = DestinationStatus(
            name: destination.name,
            kind: destination.kind,
            position: store.epoch.position(record.position)
        )
        status.changesBehind = record.changesBehind
        status.secondsBehind =
            record.behindSince.map { max(0, wallClock().milliseconds(since: $0) / 1_000) } ?? 0
        status.retryingCount = record.retryingCount
        status.deadCount = record.deadCount
        status.skippedCount = record.skippedCount
        status.lastError = record.lastError
        status.isPaused = record.isPaused
        if case .away = willingness { status.nextAttemptAt = awayUntil }
        return status
    }
}
