public import CoreMetrics
public import Dispatch
public import FeedbackModel
public import Glibc
public import Synchronization

/// The queue of all writes to a store: commits in one batch those that arrive during a commit
/// (group commit).
///
/// Each writer is a serial dispatch queue, on which `commit` may block. A write that arrives while
/// all writers are idle is committed alone at once; a second writer starts while the first is busy
/// if ``CommitBacklog/shouldStartBatch`` is true. A writer that has committed a lone write spins for a
/// moment before it parks, if the last writes came one after the other: to wake a parked thread takes
/// a third as long as a disk's fsync. Before each attempt, the writes whose callers no longer wait
/// are dropped; stores need not check that again.
///
/// Everything is inlinable, so that each store gets it compiled for its own types: generic code took
/// an eighth of an add to SQLite.
public final class CommitQueue<Write: Sendable, Outcome: Sendable>: Sendable {
    /// Commits a batch and returns one result for each write, in the same order.
    public typealias Commit = @Sendable ([Write]) -> [CommitResult<Outcome>]

    /// The ordering rules of a queue with several writers.
    public struct WriteOrdering: Sendable {
        /// Returns the session of a write; the writes of one session keep their order.
        public var session: @Sendable (Write) -> String
        /// Returns true if the write must be the only one of its batch.
        public var isExclusive: @Sendable (Write) -> Bool

        /// Makes the rules; by default, every write may share its batch.
        @inlinable
        public init(
            session: @escaping @Sendable (Write) -> String,
            isExclusive: @escaping @Sendable (Write) -> Bool = { _ in false }
        ) {
            self.session = session
            self.isExclusive = isExclusive
        }
    }

    /// A write and the caller that waits for it; an object, since it moves from one list to
    /// another.
    @usableFromInline
    final class PendingWrite: @unchecked Sendable {
        // Unchecked Sendable: the variables are used only by the writer whose batch contains the
        // write.
        @usableFromInline let write: Write
        @usableFromInline let context: CallContext
        @usableFromInline let continuation: UnsafeContinuation<Outcome, any Error>
        /// The number of attempts after which the outcome was undecided, the last such error, and
        /// the time after which the write is not attempted again.
        @usableFromInline var attempts = 0
        @usableFromInline var error: CallError?
        @usableFromInline var giveUpAt: ContinuousClock.Instant?

        @inlinable
        init(
            _ write: Write,
            _ context: CallContext,
            _ continuation: UnsafeContinuation<Outcome, any Error>
        ) {
            self.write = write
            self.context = context
            self.continuation = continuation
        }
    }

    @usableFromInline typealias Backlog = CommitBacklog<PendingWrite>

    /// The time for which a writer spins before it parks.
    @inlinable static var spinTime: Duration { .microseconds(100) }

    @usableFromInline
    struct State {
        @usableFromInline var backlog: Backlog
        @usableFromInline var places = UserPlaces()
        @usableFromInline var idleWriters: [DispatchQueue]
        /// The time at which a writer last parked.
        @usableFromInline var parkedAt = ContinuousClock.now
        /// True if a write came within ``spinTime`` after a writer had parked, and since then no spin
        /// was in vain.
        @usableFromInline var expectsNext = false
        /// The number of writes outside of the backlog that wait for their next attempt.
        @usableFromInline var pausedCount = 0
        @usableFromInline var isClosed = false
        @usableFromInline var closeWaiters: [UnsafeContinuation<Void, Never>] = []

        @inlinable
        init(backlog: Backlog, idleWriters: [DispatchQueue]) {
            self.backlog = backlog
            self.idleWriters = idleWriters
        }
    }

    @usableFromInline let state: Mutex<State>
    @usableFromInline let writerCount: Int
    @usableFromInline let ordering: WriteOrdering?
    @usableFromInline let queueLengthMax: Int
    @usableFromInline let repetitionTimeout: Duration
    @usableFromInline let commit: Commit
    @usableFromInline let instruments: WriteInstruments?

    /// Makes a queue whose writers are idle.
    ///
    /// - Parameters:
    ///   - label: the prefix of the writers' labels.
    ///   - limits: the limits of the backlog and of a batch.
    ///   - writerCount: the maximum number of batches in progress.
    ///   - ordering: the ordering rules; required if there are several writers.
    ///   - repetitionTimeout: the time after a write's first attempt for which a write whose
    ///     outcome is undecided is attempted again.
    ///   - commit: the function that commits a batch; it is called on the writers' queues.
    @inlinable
    public init(
        label: String,
        limits: CommitLimits,
        writerCount: Int = 1,
        ordering: WriteOrdering? = nil,
        repetitionTimeout: Duration = .zero,
        commit: @escaping Commit
    ) {
        precondition(
            writerCount == 1 || ordering != nil,
            "several writers need to know the sessions"
        )
        let writers = (0..<writerCount).map { DispatchQueue(label: "\(label).\($0)") }
        let backlog = Backlog(batchLengthMax: limits.batchLengthMax)
        state = Mutex(State(backlog: backlog, idleWriters: writers))
        self.writerCount = writerCount
        self.ordering = ordering
        queueLengthMax = limits.queueLengthMax
        self.repetitionTimeout = repetitionTimeout
        self.commit = commit
        instruments = WriteInstruments()
    }

    /// Waits for the write's turn, and for its commit.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once if the queue is full, of which the processes of one user
    ///   leave an eighth to others; UNAVAILABLE after ``close()``;
    ///   CANCELLED or DEADLINE_EXCEEDED if the call ended before the first attempt; the error that
    ///   `commit` gave.
    @inlinable
    public func submit(_ write: Write, context: CallContext) async throws -> Outcome {
        try await withUnsafeThrowingContinuation { continuation in
            if let refusal = accept(PendingWrite(write, context, continuation)) {
                continuation.resume(throwing: refusal)
            }
        }
    }

    /// The number of writes that wait for a batch.
    @inlinable
    public var waitingCount: Int { state.withLock { $0.backlog.waitingCount } }

    /// Refuses further writes, and returns when the outcomes of all accepted ones are known.
    @inlinable
    public func close() async {
        await withUnsafeContinuation { continuation in
            let mustWait = state.withLock { state in
                state.isClosed = true
                let mustWait = !isIdle(state)
                if mustWait { state.closeWaiters.append(continuation) }
                return mustWait
            }
            if !mustWait { continuation.resume() }
        }
    }

    @inlinable
    func isIdle(_ state: State) -> Bool {
        state.idleWriters.count == writerCount && state.pausedCount == 0
            && state.backlog.waitingCount == 0
    }

    @inlinable
    func accept(_ waiting: PendingWrite) -> CallError? {
        let (refusal, writer): (CallError?, DispatchQueue?) = state.withLock { state in
            if state.isClosed { return (CallError(.unavailable, "the store is closed"), nil) }
            if state.backlog.waitingCount >= queueLengthMax {
                let limit = "the write queue is full (\(queueLengthMax) writes)"
                return (CallError(.resourceExhausted, limit), nil)
            }
            if let uid = waiting.context.peer?.uid,
                state.places.count(of: uid) >= queueLengthMax - queueLengthMax / 8
            {
                let limit = "the write queue has no place left for user id \(uid)"
                return (CallError(.resourceExhausted, limit), nil)
            }
            return (nil, enqueue(waiting, &state))
        }
        if let writer { writer.async { self.run(on: writer) } }
        return refusal
    }

    /// Adds the write to the backlog; returns the writer to start, nil if none is needed.
    @inlinable
    func enqueue(_ waiting: PendingWrite, _ state: inout State) -> DispatchQueue? {
        instruments?.queueLength.increment()
        if let uid = waiting.context.peer?.uid { state.places.add(uid) }
        if let ordering {
            let session = ordering.session(waiting.write)
            let isBusy = state.backlog.isBusy(session)
            let isExclusive = ordering.isExclusive(waiting.write)
            state.backlog.append(waiting, session: session, isExclusive: isExclusive)
            if isBusy || !state.backlog.shouldStartBatch { return nil }
        } else {
            state.backlog.append(waiting)
        }
        guard let writer = state.idleWriters.popLast() else { return nil }
        if .now - state.parkedAt < Self.spinTime { state.expectsNext = true }
        return writer
    }

    @inlinable
    func run(on writer: DispatchQueue) {
        var done: Backlog.Batch?
        while let batch = takeBatch(after: done, orIdle: writer) {
            commitLive(batch.elements)
            done = batch
            if batch.elements.count == 1 { spin() }
        }
    }

    /// Returns when a write has come, or probably will not come soon.
    @inlinable
    func spin() {
        let mustSpin = state.withLock { $0.expectsNext && $0.backlog.waitingCount == 0 }
        guard mustSpin else { return }
        let end = ContinuousClock.now + Self.spinTime
        while waitingCount == 0 {
            if ContinuousClock.now >= end { return state.withLock { $0.expectsNext = false } }
            sched_yield()
        }
    }

    /// Commits the writes whose callers still wait, and resumes all callers.
    @inlinable
    func commitLive(_ batch: [PendingWrite]) {
        var live = batch
        live.removeAll { waiting in
            guard let reason = waiting.context.dropError else { return false }
            // After an attempt its error is the answer: the write may have been committed.
            waiting.continuation.resume(throwing: waiting.error ?? reason)
            return true
        }
        if live.isEmpty { return }
        let begin = instruments == nil ? nil : DispatchTime.now()
        let results = commit(live.map(\.write))
        precondition(results.count == live.count, "one result per write")
        if let begin { instruments?.recordBatch(of: live.count, since: begin) }
        for (waiting, result) in zip(live, results) {
            switch result {
            case .done(let outcome): waiting.continuation.resume(returning: outcome)
            case .refused(let error): waiting.continuation.resume(throwing: error)
            case .undecided(let error): attemptAgain(waiting, after: error)
            }
        }
    }

    /// Returns the writer's next batch; nil, after marking the writer as idle, if there is none.
    @inlinable
    func takeBatch(
        after done: Backlog.Batch?,
        orIdle writer: DispatchQueue
    ) -> Backlog.Batch? {
        let (batch, closeWaiters): (Backlog.Batch?, [UnsafeContinuation<Void, Never>]) =
            state.withLock { state in
                if let done { state.backlog.finish(done) }
                if let batch = state.backlog.takeBatch() {
                    instruments?.queueLength.decrement(by: Double(batch.elements.count))
                    for write in batch.elements {
                        if let uid = write.context.peer?.uid { state.places.remove(uid) }
                    }
                    return (batch, [])
                }
                state.idleWriters.append(writer)
                state.parkedAt = .now
                guard isIdle(state) else { return (nil, []) }
                defer { state.closeWaiters = [] }
                return (nil, state.closeWaiters)
            }
        for closer in closeWaiters { closer.resume() }
        return batch
    }

    // MARK: - Repetition

    /// Puts the write back into the backlog after a pause that grows with its attempts, or resumes
    /// the caller with `error` after the repetition timeout.
    @inlinable
    func attemptAgain(_ waiting: PendingWrite, after error: CallError) {
        let giveUpAt = waiting.giveUpAt ?? .now + repetitionTimeout
        guard .now < giveUpAt else { return waiting.continuation.resume(throwing: error) }
        waiting.giveUpAt = giveUpAt
        waiting.error = error
        // There is no pause before the second attempt, which mostly succeeds.
        let pause = min(waiting.attempts * 5, 200)
        waiting.attempts += 1
        state.withLock { $0.pausedCount += 1 }
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(pause)) {
            let writer = self.state.withLock { state in
                state.pausedCount -= 1
                return self.enqueue(waiting, &state)
            }
            if let writer { writer.async { self.run(on: writer) } }
        }
    }
}

/// The result of one write of a batch.
public enum CommitResult<Outcome: Sendable>: Sendable {
    /// The write is committed.
    case done(Outcome)
    /// The write is not committed and will not be.
    case refused(any Error)
    /// It is unknown whether the write is committed, or a further attempt may succeed.
    ///
    /// The write can be repeated as it is. The caller gets the error if there is no time for a
    /// further attempt.
    case undecided(CallError)
}
