/// A place in the change log of a store, as an opaque text that its readers may keep.
///
/// A position holds for the store that gave it, also after a restart. Used with another store, or
/// once the changes after it are no longer kept, it is refused with OUT_OF_RANGE.
public struct LogPosition: Sendable, Hashable, CustomStringConvertible {
    /// The maximum number of bytes in the text of a position.
    public static let bytesMax = 1_024

    /// The text of the position: 1 to ``bytesMax`` bytes of printable ASCII.
    public let text: String

    /// Makes the position of a text that a store has given.
    public init(_ text: String) { self.text = text }

    /// The text of the position.
    public var description: String { text }
}

/// The place at which a reader of the change log begins.
public enum LogStart: Sendable, Hashable {
    /// The reader begins with the oldest feedback that is there.
    case beginning
    /// The reader begins with the next change.
    case now
    /// The reader begins with the first change after the position.
    case after(LogPosition)
}

/// An entry of the change log: a feedback that was added, changed or deleted, in its present state.
///
/// Each feedback stands in the log once, at its last change.
public struct FeedbackChange: Sendable, Hashable {
    /// The kind of a change, as its reader has to handle it.
    public enum Kind: Sendable, Hashable, CaseIterable {
        /// The feedback is at its first revision.
        case added
        /// The feedback is at a later revision; the reader may have seen none before.
        case updated
        /// The feedback is gone; only its identifier, its session and its times are set.
        case deleted
        /// The feedback has changed and does not meet the reader's filter, perhaps no longer; only
        /// its identifier, its session and its times are set.
        case left
    }

    /// The position of the change: a reader that begins after it goes on with the next change.
    public var position: LogPosition
    /// The kind of the change.
    public var kind: Kind
    /// The feedback in its present state.
    public var feedback: Feedback

    /// Makes a change.
    public init(position: LogPosition, kind: Kind, feedback: Feedback) {
        self.position = position
        self.kind = kind
        self.feedback = feedback
    }
}

/// A request for a stream of changes.
public struct WatchQuery: Sendable, Hashable {
    /// The feedback whose changes are streamed.
    public var filter: FeedbackFilter
    /// The place at which the stream begins.
    public var start: LogStart
    /// True to wait for further changes after the last one, false to end the stream there.
    public var follows: Bool

    /// Makes a query; the default streams all changes and then waits for further ones.
    public init(
        _ filter: FeedbackFilter = FeedbackFilter(),
        from start: LogStart = .beginning,
        follows: Bool = true
    ) {
        self.filter = filter
        self.start = start
        self.follows = follows
    }
}

/// An element of a stream of changes.
public enum WatchEvent: Sendable, Hashable {
    /// A feedback was added, changed or deleted.
    case change(FeedbackChange)
    /// There was no change for a while; the stream has come to this position.
    case heartbeat(LogPosition)
}
