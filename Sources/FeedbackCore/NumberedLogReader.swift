public import FeedbackModel
internal import Synchronization

/// Some changes of a log whose positions are numbers.
public struct NumberedChanges: Sendable {
    /// The changes, with ascending numbers.
    public var changes: [(number: Int64, kind: FeedbackChange.Kind, feedback: Feedback)]
    /// The highest number that was given when the changes were read.
    public var end: Int64
    /// True if more changes were there than ``LogPage/bytesMax`` allows.
    public var isCut: Bool

    /// Makes changes that were read.
    public init(
        changes: [(number: Int64, kind: FeedbackChange.Kind, feedback: Feedback)],
        end: Int64,
        isCut: Bool = false
    ) {
        self.changes = changes
        self.end = end
        self.isCut = isCut
    }
}

/// A reader of a log whose positions are numbers.
public final class NumberedLogReader: LogReader {
    /// Reads at most `limit` changes after a number.
    public typealias Read =
        @Sendable (_ after: Int64, _ limit: Int, CallContext) async throws -> NumberedChanges

    private let epoch: LogEpoch
    private let growth: LogGrowth
    private let number: Mutex<Int64>
    private let look: LogGrowth.Look?
    private let read: Read

    /// Makes a reader that begins after a number.
    ///
    /// - Parameters:
    ///   - epoch: the epoch of the numbers.
    ///   - growth: is signalled after each commit of this process.
    ///   - number: the number after which the reader begins.
    ///   - look: looks for changes of other processes; nil if there can be none.
    ///   - read: reads changes.
    public init(
        epoch: LogEpoch,
        growth: LogGrowth,
        after number: Int64,
        look: LogGrowth.Look? = nil,
        read: @escaping Read
    ) {
        self.epoch = epoch
        self.growth = growth
        self.number = Mutex(number)
        self.look = look
        self.read = read
    }

    /// See ``LogReader``.
    public func next(
        limit: Int,
        patience: Duration,
        context: CallContext
    ) async throws -> LogPage {
        let end = ContinuousClock.now + patience
        while true {
            try Task.checkCancellation()
            let count = growth.count
            let page = try await nextNow(limit, context)
            let rest = end - .now
            if !page.changes.isEmpty || rest <= .zero { return page }
            await growth.wait(after: count, atMost: rest, look: look)
        }
    }

    /// See ``LogReader``.
    public func close() async {}

    private func nextNow(_ limit: Int, _ context: CallContext) async throws -> LogPage {
        let before = number.withLock { $0 }
        let part = try await read(before, limit, context)
        // A short part has all that is there, also numbers that stand for no feedback any more.
        let isAtEnd = part.changes.count < limit && !part.isCut
        let after = isAtEnd ? max(before, part.end) : part.changes.last?.number ?? before
        number.withLock { $0 = after }
        return LogPage(
            changes: part.changes.map {
                FeedbackChange(
                    position: epoch.position($0.number),
                    kind: $0.kind,
                    feedback: $0.feedback
                )
            },
            position: epoch.position(after),
            isAtEnd: isAtEnd
        )
    }
}
