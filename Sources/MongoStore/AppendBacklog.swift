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
        fileprivate(set) var elements: [Element] = []
        fileprivate var sessions: Set<ExactText> = []
    }

    private let batchLengthMax: Int
    private var waiting: [Entry] = []
    private var busySessions: Set<ExactText> = []
    private var underWayCount = 0

    init(batchLengthMax: Int) {
        self.batchLengthMax = batchLengthMax
    }

    var waitingCount: Int { waiting.count }

    mutating func append(_ element: Element, session: ExactText) {
        waiting.append(Entry(session: session, element: element))
    }

    func isBusy(_ session: ExactText) -> Bool { busySessions.contains(session) }

    /// Whether one more batch is worth its own cost now.
    ///
    /// Always if none is under way. Else a server spends less on what waits, and answers most of it
    /// sooner, if it comes in few batches of a length.
    var isWorthABatch: Bool { 3 * waiting.count >= underWayCount }

    /// Takes what is to be written now, in order; nil if there is nothing, or not enough.
    mutating func takeBatch() -> Batch? {
        if !isWorthABatch { return nil }
        var batch = Batch()
        var rest: [Entry] = []
        for entry in waiting {
            if batch.elements.count < batchLengthMax, !isBusy(entry.session) {
                batch.elements.append(entry.element)
                batch.sessions.insert(entry.session)
            } else {
                rest.append(entry)
            }
        }
        if batch.elements.isEmpty { return nil }
        waiting = rest
        busySessions.formUnion(batch.sessions)
        underWayCount += batch.elements.count
        return batch
    }

    /// Notes that a batch is written.
    mutating func finish(_ batch: Batch) {
        busySessions.subtract(batch.sessions)
        underWayCount -= batch.elements.count
    }
}
