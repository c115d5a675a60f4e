public import FeedbackModel

/// Some changes of the log, in order.
public struct LogPage: Sendable, Hashable {
    /// The size of feedback, in bytes, from which on a page has no further change.
    public static let bytesMax = 256 << 10

    /// The changes; empty if there are none, or none that the reader has to know.
    public var changes: [FeedbackChange]
    /// The position up to which the log has been read.
    public var position: LogPosition
    /// True if the reader has come to the end of the log, as it was at that moment.
    public var isAtEnd: Bool

    /// Makes a page.
    public init(changes: [FeedbackChange], position: LogPosition, isAtEnd: Bool) {
        self.changes = changes
        self.position = position
        self.isAtEnd = isAtEnd
    }
}

/// A reader of a store's change log, from one place on.
///
/// It holds no transaction and no snapshot between two pages, so that a slow reader holds up
/// nobody. Its methods must not be called concurrently.
public protocol LogReader: Sendable {
    /// Returns the next changes, at most `limit` and about ``LogPage/bytesMax`` of them, in the order
    /// of the log.
    ///
    /// At the end of the log it waits for the first further change, at most for `patience`; the page
    /// has no changes if none came. A feedback that changes between two pages comes on the later
    /// one, at its new position only.
    ///
    /// - Throws: OUT_OF_RANGE if changes that follow are no longer kept; the errors of ``Store``;
    ///   `CancellationError` if the task is cancelled.
    func next(limit: Int, patience: Duration, context: CallContext) async throws -> LogPage

    /// Ends the reading, and frees what it holds.
    func close() async
}
