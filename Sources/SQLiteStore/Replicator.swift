import CoreMetrics
import FeedbackCore
import FeedbackModel
import GRDB
import Logging
import Synchronization

/// Writes the changes of a journal to the other store, in order within each session, and knows how
/// far it has come.
///
/// Its position is that of a cursor in the journal. A change may be written again after a crash; the
/// other store knows adds by their request_id or feedback_id, and keys of metadata are set to the
/// same values again.
final class Replicator: Sendable {
    /// Attempts once to make changes in the other store; see `MongoStore.replicate(_:)`.
    typealias Write = @Sendable ([AcceptedChange]) async -> [CommitResult<ChangeOutcome>]

    /// The name of the cursor.
    static let cursorName = "mongodb"
    /// The number of lanes, which write at the same time; a session stays in its lane.
    private static let laneCount = 3
    /// The maximum number of changes that are read at once, and of those of one attempt in a lane.
    private static let pageMax = 3_072
    private static let attemptMax = 1_024
    /// The size of changes, in bytes, from which on a page has no further one.
    private static let pageBytesMax = 4 << 20
    /// The time for which further changes gather after a page that was not full, unless somebody waits
    /// for them: each page is a transaction of the journal, which the adds would wait for.
    private static let gatherTime = Duration.milliseconds(10)
    /// The first and the longest pause after an attempt that failed.
    private static let pauses = (first: Duration.milliseconds(50), max: Duration.seconds(1))

    private let journal: SQLiteStore
    private let isNeeded: Bool
    private let write: Write
    private let logger: Logger
    private let number: Atomic<Int64>
    private let growth = LogGrowth()
    /// Is signalled when somebody waits for changes to be in the other store.
    private let need = Wakeup()
    private let waiting = Mutex(Waiting())
    private let waitingMeter = Meter(label: CoreInstrument.journalWaitingBytes.rawValue)

    /// The changes that the other store does not have, as far as they were counted.
    private struct Waiting {
        var bytes = 0
        /// True while the other store does not take changes.
        var isAway = false
    }

    /// Makes a replicator that goes on where the journal's cursor stands; nil if there is no cursor
    /// and none is needed.
    ///
    /// A cursor is made at the end of the log. One that is not needed any more is removed when it has
    /// come there.
    init?(
        _ journal: SQLiteStore,
        isNeeded: Bool,
        write: @escaping Write,
        logger: Logger
    ) throws {
        let found: (position: Int64, bytes: Int)? = try journal.database.write { db in
            let cursors = CursorTable(db)
            if isNeeded { try cursors.insert(Self.cursorName, position: ChangeNumbers.last(db)) }
            guard let position = try cursors.position(of: Self.cursorName) else { return nil }
            return (position, try SQLiteStore.waitingBytes(after: position, db))
        }
        guard let found else { return nil }
        self.journal = journal
        self.isNeeded = isNeeded
        self.write = write
        self.logger = logger
        number = Atomic(found.position)
        added(bytes: found.bytes)
    }

    /// The number up to which the other store has all changes, dead letters aside.
    var position: Int64 { number.load(ordering: .acquiring) }

    /// The size of the changes that wait, in bytes.
    var waitingBytes: Int { waiting.withLock { $0.bytes } }

    /// Counts changes that were written to the journal, or to the other store.
    func added(bytes: Int) {
        let sum = waiting.withLock { waiting in
            waiting.bytes = max(0, waiting.bytes + bytes)
            return waiting.bytes
        }
        waitingMeter.set(sum)
    }

    /// Waits until the other store has all changes up to a number.
    ///
    /// - Returns: false if that was not so in time, or the task was cancelled.
    func waits(for target: Int64, until end: ContinuousClock.Instant) async -> Bool {
        while position < target {
            let count = growth.count
            let rest = end - .now
            guard rest > .zero, !Task.isCancelled else { return false }
            need.signal()
            if position < target { await growth.wait(after: count, atMost: rest) }
        }
        return true
    }

    /// Writes changes until the task is cancelled.
    func run() async {
        var hasTrouble = false
        while !Task.isCancelled {
            do {
                let count = journal.database.logGrowth.count
                let length = try await replicateNext()
                if length > 0 {
                    if length < Self.pageMax { await need.wait(atMost: Self.gatherTime) }
                    continue
                }
                hasTrouble = false
                // Sizes are counted about: that of nothing is known.
                if position >= journal.database.numbers.committed { added(bytes: -waitingBytes) }
                try await retryDeadLetters()
                if !isNeeded {
                    if try await end() { return }
                    // Somebody may want the dead letters to be tried again.
                    try await Task.sleep(for: Self.pauses.max)
                    continue
                }
                await journal.database.logGrowth.wait(after: count, atMost: .seconds(60))
            } catch is CancellationError {
                return
            } catch {
                let level: Logger.Level = hasTrouble ? .debug : .warning
                logger.log(level: level, "changes wait for the journal: \(error)")
                hasTrouble = true
                try? await Task.sleep(for: Self.pauses.max)
            }
        }
    }

    /// Removes the cursor, since everything is in the other store; returns false if it stays, because
    /// of dead letters.
    private func end() async throws -> Bool {
        let isRemoved = try await journal.writes.changeRows { db in
            try CursorTable(db).remove(Self.cursorName)
        }
        if position < .max {
            number.store(.max, ordering: .releasing)
            growth.signal()
            journal.database.logGrowth.signal()
        }
        return isRemoved
    }

    /// Attempts to write the dead letters that somebody wants to be tried again.
    private func retryDeadLetters() async throws {
        let due = try await journal.cursors.dueDeliveries(
            of: Self.cursorName,
            at: .seconds(Int32.max),
            limit: Self.attemptMax
        ).deliveries
        if due.isEmpty { return }
        let results = await write(
            due.map { delivery in
                AcceptedChange(
                    .add(delivery.change.feedback.draft),
                    feedbackID: delivery.change.feedback.id ?? FeedbackID(high: 0, low: 0),
                    acceptedAt: delivery.change.feedback.createdAt
                )
            }
        )
        var progress = CursorProgress(name: Self.cursorName)
        progress.outcomes = zip(due, results).compactMap { delivery, result in
            let next: CursorProgress.Outcome.Next
            switch result {
            case .done: next = .ended
            // It is due again when there is something else to do.
            case .undecided: return nil
            case .refused(let error):
                var attempts = delivery.attempts
                attempts.count += 1
                next = .dead(error: CallError(error).message, attempts)
            }
            return CursorProgress.Outcome(sequence: delivery.change.sequence, next: next)
        }
        try await journal.cursors.record(progress)
    }

    /// Writes the next changes.
    ///
    /// - Returns: how many numbers of the log were passed; 0 if there are no further changes.
    private func replicateNext() async throws -> Int64 {
        let page = try await journal.waitingChanges(
            after: position,
            limit: Self.pageMax,
            bytesMax: Self.pageBytesMax
        )
        let length = page.readUpTo - position
        guard length > 0 else { return 0 }
        if page.unreadableCount > 0 {
            logger.error("\(page.unreadableCount) damaged feedbacks cannot be written to MongoDB")
        }
        let results = try await results(of: page.changes)
        var outcomes: [CursorProgress.Outcome] = []
        var settled: [SettledChange] = []
        for (change, result) in zip(page.changes, results) {
            switch (change.source, result) {
            case (.feedback(let sequence), .success(.added(let added))):
                // The original of a repeated request is in the other store, and is told of there.
                let isOther = added.replayed && added.feedback.id != change.change.feedbackID
                if isOther { settled.append(.drop(sequence: sequence)) }
            case (.feedback(let sequence), .failure(let error)):
                let attempts = DeliveryAttempts(count: 1, firstAt: .now)
                let next = CursorProgress.Outcome.Next.dead(error: error.message, attempts)
                outcomes.append(CursorProgress.Outcome(sequence: sequence, next: next))
            case (.session(let session, let metadata), .success):
                settled.append(.written(session: session, metadata))
            case (.session(let session, let metadata), .failure(let error)):
                logger.error("metadata that MongoDB refuses were given up: \(error)")
                settled.append(.written(session: session, metadata))
            case (.feedback, .success(.metadata)): break
            }
        }
        if !outcomes.isEmpty {
            logger.warning("\(outcomes.count) feedbacks that MongoDB refuses are dead letters")
        }
        var progress = CursorProgress(name: Self.cursorName)
        progress.position = page.readUpTo
        progress.outcomes = outcomes
        try await journal.settle(settled, progress)
        added(bytes: -page.changes.reduce(0) { $0 + $1.change.journalBytes })
        number.store(page.readUpTo, ordering: .releasing)
        growth.signal()
        // Cursors that wait for the other store to have the changes look again.
        journal.database.logGrowth.signal()
        return length
    }

    /// Writes changes until each is in the other store or is refused for good.
    private func results(
        of page: [WaitingChange]
    ) async throws -> [Result<ChangeOutcome, CallError>] {
        var lanes: [[Int]] = Array(repeating: [], count: Self.laneCount)
        for (index, change) in page.enumerated() {
            let hash = ExactText(change.change.change.sessionID).hashValue
            lanes[Int(UInt(bitPattern: hash) % UInt(Self.laneCount))].append(index)
        }
        return try await withThrowingTaskGroup(of: [(Int, Result<ChangeOutcome, CallError>)].self) {
            group in
            for lane in lanes where !lane.isEmpty {
                group.addTask { try await self.results(of: lane, in: page) }
            }
            var results = [Result<ChangeOutcome, CallError>?](repeating: nil, count: page.count)
            for try await lane in group { for (index, result) in lane { results[index] = result } }
            return results.map { result in
                guard let result else { preconditionFailure("every change is in a lane") }
                return result
            }
        }
    }

    private func results(
        of lane: [Int],
        in page: [WaitingChange]
    ) async throws -> [(Int, Result<ChangeOutcome, CallError>)] {
        var done: [(Int, Result<ChangeOutcome, CallError>)] = []
        var rest = lane[...]
        var pause = Self.pauses.first
        while !rest.isEmpty {
            try Task.checkCancellation()
            let part = rest.prefix(Self.attemptMax)
            let results = await write(part.map { page[$0].change })
            var undecided: [Int] = []
            var trouble: CallError?
            for (index, result) in zip(part, results) {
                switch result {
                case .done(let outcome): done.append((index, .success(outcome)))
                case .refused(let error): done.append((index, .failure(CallError(error))))
                case .undecided(let error):
                    undecided.append(index)
                    trouble = error
                }
            }
            rest = undecided + rest.dropFirst(part.count)
            note(trouble)
            if trouble == nil {
                pause = Self.pauses.first
            } else {
                try await Task.sleep(for: pause * Double.random(in: 0.5...1))
                pause = min(pause * 2, Self.pauses.max)
            }
        }
        return done
    }

    /// Logs once that the other store does not take changes, and once that it does again.
    private func note(_ trouble: CallError?) {
        let hasChanged = waiting.withLock { waiting in
            defer { waiting.isAway = trouble != nil }
            return waiting.isAway != (trouble != nil)
        }
        guard hasChanged else { return }
        if let trouble {
            logger.warning("changes wait to be written to MongoDB: \(trouble.message)")
        } else {
            logger.notice("changes are written to MongoDB again")
        }
    }
}

/// Some changes in a journal that the other store may not have yet, in order.
struct WaitingPage: Sendable {
    let changes: [WaitingChange]
    /// The number up to which the log has been read.
    let readUpTo: Int64
    /// The number of changes whose feedback is damaged.
    let unreadableCount: Int64
}

/// A change in a journal that the other store may not have yet.
struct WaitingChange: Sendable {
    /// The row of a change.
    enum Source: Sendable {
        case feedback(sequence: Int64)
        case session(Int64, Metadata)
    }

    let number: Int64
    let source: Source
    let change: AcceptedChange
}

/// A change in a journal that the other store has.
enum SettledChange: Sendable {
    /// The other store has the original of a repeated request.
    case drop(sequence: Int64)
    /// The other store has these of a session's metadata.
    case written(session: Int64, Metadata)
}

extension AcceptedChange {
    /// The size that counts for the limit of a journal, in bytes.
    var journalBytes: Int {
        switch change {
        case .add(let draft):
            256 + draft.sessionID.utf8.count + draft.textBytes(perTag: 4, perAttribute: 8)
        case .changeMetadata(let sessionID, .merge(let metadata)):
            256 + sessionID.utf8.count + ((try? MetadataJSON.encode(metadata))?.utf8.count ?? 0)
        case .changeMetadata(let sessionID, .remove): 256 + sessionID.utf8.count
        }
    }
}
