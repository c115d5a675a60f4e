import FeedbackModel

/// What waits to be written, and what of it is being written, when several batches may be under way.
///
/// Nothing is taken for a session that another batch is writing to: so what belongs to one session
/// keeps its order.
struct AppendBacklog<Element: Sendable>: Sendable {
    private struct Entry: Sendable {
        let session: ExactText
        let element: Element
    }

    /// Elements that are written together.
    struct Batch: Sendable {
        fileprivate let number: Int
        fileprivate(set) var elements: [Element] = []
        /// Each once.
        fileprivate var sessions: [ExactText] = []
    }

    private let batchLengthMax: Int
    private var waiting: [Entry] = []
    /// The sessions that are being written to, with the batches that do so.
    private var busySessions: [ExactText: Int] = [:]
    private var underWayCount = 0
    private var batchCount = 0

    init(batchLengthMax: Int) {
        self.batchLengthMax = batchLengthMax
    }

    var waitingCount: Int { waiting.count }

    mutating func append(_ element: Element, session: ExactText) {
        waiting.append(Entry(session: session, element: element))
    }

    func isBusy(_ session: ExactText) -> Bool { busySessions[session] != nil }

    /// Whether one more batch is worth its own cost now.
    ///
    /// Always if none is under way. Else a server spends less on what waits, and answers most of it
    /// sooner, if it comes in few batches of a length.
    var isWorthABatch: Bool { 3 * waiting.count >= underWayCount }

    /// Takes what is to be written now, in order; nil if there is nothing, or not enough.
    mutating func takeBatch() -> Batch? {
        if !isWorthABatch { return nil }
        batchCount += 1
        var batch = Batch(number: batchCount)
        var rest: [Entry] = []
        for entry in waiting {
            if batch.elements.count < batchLengthMax, claim(entry.session, for: &batch) {
                batch.elements.append(entry.element)
            } else {
                rest.append(entry)
            }
        }
        if batch.elements.isEmpty { return nil }
        waiting = rest
        underWayCount += batch.elements.count
        return batch
    }

    /// Notes that a batch is written.
    mutating func finish(_ batch: Batch) {
        for session in batch.sessions { busySessions[session] = nil }
        underWayCount -= batch.elements.count
    }

    /// Keeps other batches from the session; false if one of them writes to it.
    private mutating func claim(_ session: ExactText, for batch: inout Batch) -> Bool {
        if let number = busySessions[session] { return number == batch.number }
        busySessions[session] = batch.number
        batch.sessions.append(session)
        return true
    }
}
