internal import FeedbackModel

/// Follows the change log for one destination, from a durable position on, and delivers at least
/// once, in order per feedback.
///
/// What has failed goes to the cursor's list of deliveries, from which it is attempted again while
/// the cursor goes on. When the destination as a whole does not answer, the cursor waits and attempts
/// one delivery at a time. All waits are measured by the monotonic clock.
actor Cursor {
    let destination: any Destination
    let store: any CursorStore
    private let backoff: DeliveryBackoff
    /// The wall clock, whose time is shown and never compared.
    let wallClock: @Sendable () -> Timestamp
    let wakeup = Wakeup()
    private let start = ContinuousClock.now

    private var opening: Task<CursorRecord, any Error>?
    private var isOpen = false
    var isPaused = false
    private var isStopping = false
    /// True while the cursor is put to another place; its number of such times.
    var isRewinding = false
    var rewinds = 0
    /// The number up to which the log has been read.
    var readUpTo: Int64 = 0
    /// True if the log was read to its end since it was last seen to grow; the number of times that
    /// it was.
    var isAtEnd = false
    private var growths = 0
    /// The time at which the next batch may be read, and the growth of the log at the last one.
    private var mayReadAt = ContinuousClock.now
    private var lastGrowth = 0
    private var tallies: AlertTallies
    /// What has been read and not attempted, in order.
    var pending: [Item] = []
    /// Deliveries of the list that are due.
    var due: [Item] = []
    /// True if the last attempt was one of the list.
    private var wasListed = false
    /// The time at which the list is looked into again; nil if it is empty.
    var nextDue: ContinuousClock.Instant?
    /// The attempts under way, by the first number of their feedback.
    var flights: [Int64: Flight] = [:]
    var willingness = Willingness.answering(timeouts: [])
    /// The time at which a destination that is away is tried again, to be shown.
    var awayUntil: Timestamp?

    // What is not recorded yet.
    private var outcomes: [CursorProgress.Outcome] = []
    /// The feedback of which `outcomes` has a failure, with its state.
    private var failed: [Int64: Delivery.State] = [:]
    private var skippedCount: Int64 = 0
    var recordedPosition: Int64 = 0
    private var lastError: String?
    private var recordedAt = ContinuousClock.now
    private var lastEvent = ContinuousClock.now
    /// The highest number that was delivered, or put into the list.
    var highestSettled: Int64 = 0

    init(
        _ destination: any Destination,
        store: any CursorStore,
        backoff: DeliveryBackoff = DeliveryBackoff(),
        wallClock: @escaping @Sendable () -> Timestamp = { .now }
    ) {
        self.destination = destination
        self.store = store
        self.backoff = backoff
        self.wallClock = wallClock
        tallies = AlertTallies(destination.rule)
    }

    /// Delivers until ``stop()``, and waits for the attempts under way then.
    func run() async {
        let watching = Task { await watchGrowth() }
        while !isStopping {
            do {
                try await open()
                if !isPaused, !isRewinding {
                    try await readList()
                    try await readLog()
                    beginAttempts()
                }
                try await recordIfDue()
                let wait = longestWait
                if wait != .zero { await wakeup.wait(atMost: wait) }
            } catch {
                lastError = CallError(error).message
                if isOpen { try? await record() }
                await wakeup.wait(atMost: CursorLimits.storeInterval)
            }
        }
        watching.cancel()
        while !flights.isEmpty { await wakeup.wait(atMost: nil) }
        if isOpen { try? await record() }
    }

    /// Begins no further attempt.
    func stop() {
        isStopping = true
        wakeup.signal()
    }

    /// Makes the cursor if it is not there, and reads where it stands.
    func open() async throws {
        if isOpen { return }
        let opening =
            opening
            ?? Task {
                try await store.open(
                    destination.name,
                    from: .now,
                    spread: CursorLimits.startSpread
                )
            }
        self.opening = opening
        let result = await opening.result
        if isOpen { return }
        self.opening = nil
        let record = try result.get()
        isOpen = true
        isPaused = record.isPaused
        readUpTo = record.position
        recordedPosition = record.position
        nextDue = .now
    }

    /// Wakes the loop when the log has grown, and gives changes a moment to gather.
    private func watchGrowth() async {
        var seen = store.growth.count
        while !Task.isCancelled {
            await store.growth.wait(after: seen, atMost: CursorLimits.pollInterval)
            seen = store.growth.count
            growths += 1
            isAtEnd = false
            wakeup.signal()
            try? await Task.sleep(for: CursorLimits.gatherTime)
        }
    }

    /// The time until there is something to do without a signal.
    private var longestWait: Duration? {
        // Whoever rewinds signals the end.
        if isRewinding { return nil }
        var moments: [ContinuousClock.Instant] = []
        if isDirty { moments.append(recordDueAt) }
        if let slowAt { moments.append(slowAt) }
        // Attempts that follow each other do not wake the loop, which has to record them.
        if !flights.isEmpty { moments.append(.now + CursorLimits.recordInterval) }
        if !isPaused {
            if case .away(_, let until) = willingness {
                if flights.isEmpty, !pending.isEmpty || !due.isEmpty { moments.append(until) }
            }
            if let nextDue, due.isEmpty { moments.append(nextDue) }
            if !isAtEnd, mayRead { moments.append(mayReadAt) }
        }
        return moments.min().map { max($0 - .now, .zero) }
    }

    // MARK: - Reading

    /// True if there is room for further changes.
    private var mayRead: Bool {
        if case .away = willingness { return pending.isEmpty }
        return pending.count < destination.concurrency
            && pending.reduce(0) { $0 + $1.bytes } < CursorLimits.batchBytes
    }

    /// Reads the next changes if there is room for them.
    private func readLog() async throws {
        guard mayRead, !isAtEnd, !isRewinding, mayReadAt <= .now else { return }
        let (from, rewinds, growths) = (readUpTo, rewinds, growths)
        let batch = try await store.changes(
            after: from,
            of: destination.name,
            limit: CursorLimits.batchLength,
            bytesMax: CursorLimits.batchBytes
        )
        var tallies = tallies
        let alerts = try await tallies.alerts(
            about: batch.changes,
            after: from,
            readUpTo: batch.readUpTo,
            store
        )
        guard self.rewinds == rewinds, !isRewinding else { return }
        self.tallies = tallies
        take(batch.changes, alerts)
        skippedCount += batch.unreadableCount
        readUpTo = batch.readUpTo
        lastEvent = .now
        isAtEnd = batch.isAtEnd && self.growths == growths
        let growth = store.growth.count
        if !batch.isAtEnd, growth != lastGrowth { mayReadAt = .now + CursorLimits.restTime }
        lastGrowth = growth
    }

    private func take(
        _ changes: [CursorChange],
        _ alerts: [(change: CursorChange, alert: Alert)]
    ) {
        let told = Dictionary(uniqueKeysWithValues: alerts.map { ($0.change.number, $0.alert) })
        for change in changes {
            // A change that the log shows again, at a later place, replaces the former.
            let former = pending.firstIndex { $0.change.sequence == change.sequence }
            if let former { pending.remove(at: former) }
            let state = failed[change.sequence] ?? change.delivery
            let isUnderWay = flights[change.sequence] != nil
            // In the list, the delivery has the present state when it is attempted.
            if state == .retrying, !isUnderWay {
                if let index = due.firstIndex(where: { $0.change.sequence == change.sequence }) {
                    due.remove(at: index)
                    nextDue = .now
                }
                continue
            }
            guard let alert = told[change.number] else { continue }
            pending.append(
                Item(
                    change: change,
                    alert: alert,
                    attempts: nil,
                    hasRow: state != nil || isUnderWay,
                    isListed: false
                )
            )
        }
    }

    /// Takes deliveries of the list that are due.
    private func readList() async throws {
        guard due.isEmpty, let nextDue, nextDue <= .now else { return }
        try await record()
        guard outcomes.isEmpty else { return }
        let limit = destination.concurrency * 2
        let found = try await store.dueDeliveries(
            of: destination.name,
            at: .now - start,
            limit: limit + flights.count
        )
        var items: [Item] = []
        for (change, attempts) in found.deliveries where flights[change.sequence] == nil {
            if items.count == limit { break }
            let alert = try await tallies.alert(about: change, store)
            items.append(
                Item(
                    change: change,
                    alert: alert,
                    attempts: attempts,
                    hasRow: true,
                    isListed: true
                )
            )
        }
        // An attempt that was under way when the list was read may have ended since.
        let ended = Set(outcomes.map(\.sequence))
        items.removeAll { flights[$0.change.sequence] != nil || ended.contains($0.change.sequence) }
        // A change that was read meanwhile is delivered by the list.
        pending.removeAll { item in items.contains { $0.change.sequence == item.change.sequence } }
        due = items
        self.nextDue = found.next.map { start + $0 }
    }

    // MARK: - Attempts

    private func beginAttempts() {
        while let item = takeNext() { Task { await attempt(item) } }
    }

    /// Attempts an item, and then others, until there is something for the loop to do.
    private func attempt(_ first: Item) async {
        var next: Item? = first
        while let item = next {
            end(item, await destination.deliver(item.alert))
            next = isLoopDue ? nil : takeNext()
        }
        wakeup.signal()
    }

    /// True if no further attempt is to begin before the loop has run.
    private var isLoopDue: Bool {
        isStopping || isPaused || isRewinding || recordDueAt <= .now
            || due.isEmpty && nextDue ?? .now + .seconds(1) <= .now
            || mayRead && !isAtEnd && mayReadAt <= .now
    }

    /// Takes the next item to attempt; nil if none may be attempted now.
    private func takeNext() -> Item? {
        guard flights.count < attemptsMax, let item = nextItem() else { return nil }
        flights[item.change.sequence] = Flight(item: item, begin: .now, isListed: item.isListed)
        return item
    }

    /// The number of attempts that may be under way now.
    private var attemptsMax: Int {
        switch willingness {
        case .answering: destination.concurrency
        case .away(_, let until): until <= .now ? 1 : 0
        }
    }

    /// Takes the next item; the list and the log take turns, or share the places.
    private func nextItem() -> Item? {
        // What follows an attempt under way waits for its end.
        let index = pending.firstIndex { flights[$0.change.sequence] == nil }
        var isListsTurn = !wasListed
        if case .answering = willingness, destination.concurrency > 1 {
            let listed = flights.values.count { $0.item.attempts != nil }
            isListsTurn = listed * 2 < destination.concurrency
        }
        wasListed = !due.isEmpty && (isListsTurn || index == nil)
        return wasListed ? due.removeFirst() : index.map { pending.remove(at: $0) }
    }

    private func end(_ item: Item, _ outcome: DeliveryOutcome) {
        let sequence = item.change.sequence
        guard let flight = flights.removeValue(forKey: sequence) else { return }
        lastEvent = .now
        switch outcome {
        case .delivered:
            answered()
            destination.report(.delivered)
            if item.hasRow || flight.isListed { note(sequence, .ended) }
            settled(item)
        case .refused(let error):
            answered()
            fail(item, error, took: .now - flight.begin)
        case .timedOut(let error):
            if case .answering(let timeouts) = willingness,
                timeouts.union([sequence]).count < CursorLimits.timeoutsInARow
            {
                willingness = .answering(timeouts: timeouts.union([sequence]))
                fail(item, error, took: .now - flight.begin)
            } else {
                putBack(item, isListed: flight.isListed)
                destinationIsAway(error, retryDelay: nil)
            }
        case .away(let error, let retryDelay):
            putBack(item, isListed: flight.isListed)
            destinationIsAway(error, retryDelay: retryDelay)
        }
    }

    private func answered() {
        if case .away = willingness {
            destination.report(.back)
            // The loop begins as many attempts as there may be again.
            wakeup.signal()
        }
        willingness = .answering(timeouts: [])
        awayUntil = nil
    }

    private func destinationIsAway(_ error: String, retryDelay: Duration?) {
        var failures = 0
        if case .away(let before, let until) = willingness {
            failures = before
            // Several attempts that were under way together are one failure.
            if until > .now { return }
        }
        let own = backoff.interval(failures: failures, max: backoff.awayMax)
        let pause = max(own, min(retryDelay ?? .zero, backoff.askedMax))
        willingness = .away(failures: failures + 1, until: .now + pause)
        awayUntil = wallClock().advanced(byMilliseconds: Int64(pause / .milliseconds(1)))
        lastError = error
        destination.report(.away(error, isFirst: failures == 0))
    }

    /// Keeps an item for which the destination had no answer; the next attempt is another's, as one
    /// item alone may be what it cannot take.
    private func putBack(_ item: Item, isListed: Bool) {
        // A change that came meanwhile replaces it.
        if pending.contains(where: { $0.change.sequence == item.change.sequence }) { return }
        if item.attempts != nil {
            due.append(item)
        } else {
            var item = item
            item.isListed = isListed
            item.hasRow = item.hasRow || isListed
            pending.append(item)
        }
    }

    private func fail(_ item: Item, _ error: String, took: Duration) {
        lastError = error
        var attempts = item.attempts ?? DeliveryAttempts(firstAt: wallClock())
        let pause = backoff.interval(failures: attempts.count, max: backoff.refusedMax)
        attempts.count += 1
        attempts.waited += took + pause
        let limits = destination.limits
        if attempts.count >= limits.attemptsMax ?? .max || attempts.waited > limits.giveUpAfter {
            destination.report(.dead(error))
            note(item.change.sequence, .dead(error: error, attempts))
            failed[item.change.sequence] = .dead
        } else {
            destination.report(.failed(error))
            let dueAt = ContinuousClock.now + pause
            let shown = wallClock().advanced(byMilliseconds: Int64(pause / .milliseconds(1)))
            note(
                item.change.sequence,
                .retrying(due: dueAt - start, at: shown, error: error, attempts)
            )
            nextDue = min(nextDue ?? dueAt, dueAt)
            wakeup.signal()
            // A change that came meanwhile joins the delivery in the list.
            pending.removeAll { $0.change.sequence == item.change.sequence }
            failed[item.change.sequence] = .retrying
        }
        settled(item)
    }

    private func note(_ sequence: Int64, _ next: CursorProgress.Outcome.Next) {
        outcomes.append(CursorProgress.Outcome(sequence: sequence, next: next))
    }

    private func settled(_ item: Item) {
        highestSettled = max(highestSettled, item.change.number)
    }

    // MARK: - Recording

    /// The number up to which everything has been delivered or is in the list.
    private var position: Int64 {
        let unsettled =
            pending.lazy.filter { !$0.isListed }.map(\.change.number).min() ?? .max
        let flying =
            flights.values.lazy.filter { !$0.isListed }.map(\.item.change.number).min() ?? .max
        return min(readUpTo, min(unsettled, flying) - 1)
    }

    private var isDirty: Bool {
        isOpen && (!outcomes.isEmpty || position != recordedPosition || lastError != nil)
    }

    /// The time at which progress is recorded at the latest.
    private var recordDueAt: ContinuousClock.Instant {
        if outcomes.count >= CursorLimits.outcomesMax { return .now }
        let isIdle = flights.isEmpty && pending.isEmpty
        let latest = recordedAt + CursorLimits.recordInterval
        return isIdle ? min(latest, lastEvent + CursorLimits.idleTime) : latest
    }

    private func recordIfDue() async throws {
        let isDue = isDirty && recordDueAt <= .now
        if isDue || slowAt ?? .now + .seconds(1) <= .now { try await record() }
    }

    /// Records what is not recorded yet; keeps it if that fails.
    private func record() async throws {
        guard !isRewinding else { return }
        listSlowFlights()
        guard isDirty else { return }
        var progress = CursorProgress(name: destination.name)
        let position = position
        progress.position = position
        progress.outcomes = outcomes
        progress.lastError = lastError
        progress.skippedCount = skippedCount
        let failed = failed
        (outcomes, lastError, self.failed, skippedCount) = ([], nil, [:], 0)
        recordedAt = .now
        let generation = rewinds
        do {
            try await store.record(progress)
            // After a rewind, the position is what the store was told then.
            if generation == rewinds { recordedPosition = position }
        } catch {
            outcomes = progress.outcomes + outcomes
            lastError = lastError ?? progress.lastError
            skippedCount += progress.skippedCount
            self.failed.merge(failed) { new, _ in new }
            throw error
        }
    }

    /// The time at which the first attempt under way counts as slow; nil if none holds up the
    /// position.
    private var slowAt: ContinuousClock.Instant? {
        flights.values.lazy.filter { self.holdsUpPosition($0) }
            .map { $0.begin + CursorLimits.recordInterval }.min()
    }

    private func holdsUpPosition(_ flight: Flight) -> Bool {
        !flight.isListed && flight.item.change.number < highestSettled
    }

    /// Puts attempts that take long into the list, so that what was delivered after them is not
    /// repeated after a crash.
    private func listSlowFlights() {
        for (sequence, flight) in flights where holdsUpPosition(flight) {
            guard flight.begin + CursorLimits.recordInterval <= .now else { continue }
            flights[sequence]?.isListed = true
            let now = wallClock()
            let attempts = DeliveryAttempts(firstAt: now)
            note(sequence, .retrying(due: .zero, at: now, error: "", attempts))
        }
    }
}
