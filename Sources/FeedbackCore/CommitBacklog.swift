/// The writes that wait for a batch, and the sessions to which the batches in progress write.
///
/// A batch takes no write of a session to which another batch in progress writes: so the writes of
/// one session keep their order. With a single writer there is only one batch at a time, and the
/// elements need no session.
@usableFromInline
struct CommitBacklog<Element: Sendable>: Sendable {
    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline let element: Element
        @usableFromInline let session: String?
        @usableFromInline let isExclusive: Bool

        @inlinable
        init(_ element: Element, session: String?, isExclusive: Bool) {
            self.element = element
            self.session = session
            self.isExclusive = isExclusive
        }
    }

    /// Elements that are committed together.
    @usableFromInline
    struct Batch: Sendable {
        @usableFromInline var elements: [Element] = []
        @usableFromInline let number: Int
        /// The sessions of the elements, each once.
        @usableFromInline var sessions: [String] = []

        @inlinable
        init(number: Int) { self.number = number }
    }

    @usableFromInline let batchLengthMax: Int
    @usableFromInline var waiting: [Entry] = []
    /// The number of the batch in progress that writes to a session, by session.
    ///
    /// Swift compares the sessions by canonical equivalence: two that differ in normalisation only
    /// wait for each other without need, and nothing else.
    @usableFromInline var busySessions: [String: Int] = [:]
    @usableFromInline var underWayCount = 0
    @usableFromInline var batchCount = 0

    @inlinable
    init(batchLengthMax: Int) {
        self.batchLengthMax = batchLengthMax
    }

    @inlinable
    var waitingCount: Int { waiting.count }

    /// Adds an element behind all others.
    ///
    /// - Parameters:
    ///   - element: the element to commit.
    ///   - session: the session whose elements keep their order; nil if there is only one writer.
    ///   - isExclusive: true if the element must be the only one of its batch.
    @inlinable
    mutating func append(
        _ element: Element,
        session: String? = nil,
        isExclusive: Bool = false
    ) {
        waiting.append(Entry(element, session: session, isExclusive: isExclusive))
    }

    /// True if a batch in progress writes to the session.
    @inlinable
    func isBusy(_ session: String) -> Bool { busySessions[session] != nil }

    /// True if one more batch is worth its cost now.
    ///
    /// Always true if no batch is in progress. Otherwise the database spends less on the waiting
    /// writes, and answers most of them sooner, if they arrive in few long batches: they must be at
    /// least a third of the writes in progress.
    @inlinable
    var shouldStartBatch: Bool { 3 * waiting.count >= underWayCount }

    /// Takes the next batch, in order; nil if no element can be taken or too few wait.
    @inlinable
    mutating func takeBatch() -> Batch? {
        guard !waiting.isEmpty, shouldStartBatch else { return nil }
        batchCount += 1
        var batch = Batch(number: batchCount)
        var rest: [Entry] = []
        batch.elements.reserveCapacity(min(waiting.count, batchLengthMax))
        var isFull = false
        for entry in waiting {
            if !isFull, entry.isExclusive == false || batch.elements.isEmpty,
                claim(entry, for: &batch)
            {
                batch.elements.append(entry.element)
                isFull = entry.isExclusive || batch.elements.count == batchLengthMax
            } else {
                rest.append(entry)
            }
        }
        if batch.elements.isEmpty { return nil }
        waiting = rest
        underWayCount += batch.elements.count
        return batch
    }

    /// Records that the batch is committed, and releases its sessions.
    @inlinable
    mutating func finish(_ batch: Batch) {
        for session in batch.sessions { busySessions[session] = nil }
        underWayCount -= batch.elements.count
    }

    /// Reserves the entry's session for the batch; false if another batch in progress writes to it.
    @inlinable
    mutating func claim(_ entry: Entry, for batch: inout Batch) -> Bool {
        guard let session = entry.session else { return true }
        if let number = busySessions[session] { return number == batch.number }
        busySessions[session] = batch.number
        batch.sessions.append(session)
        return true
    }
}
