package import FeedbackModel

/// A store that keeps cursors beside its feedback.
package protocol CursorKeepingStore: Store {
    /// The cursors on the store's change log; there are none before ``keepsCursors`` is true.
    var cursors: any CursorStore { get }
    /// True once the store keeps cursors.
    var keepsCursors: Bool { get }
    /// Returns the number of acknowledged changes that have yet to be written to another store, and
    /// the time of the oldest feedback among them.
    func waiting() async throws -> (count: Int64, since: Timestamp?)
}

extension CursorKeepingStore {
    /// True, since nothing has to be opened first.
    package var keepsCursors: Bool { true }

    /// None, since there is no other store.
    package func waiting() async throws -> (count: Int64, since: Timestamp?) { (0, nil) }
}

/// The durable side of cursors: their positions in a change log, their deliveries that have failed,
/// and what they read of the log.
///
/// The numbers are those of the store's log. An unknown cursor is NOT_FOUND; the other errors are
/// those of ``Store``. Only one cursor of a name runs at a time.
package protocol CursorStore: Sendable {
    /// The epoch of the log's numbers.
    var epoch: LogEpoch { get }
    /// Is signalled after each commit of this process.
    var growth: LogGrowth { get }

    /// Returns the cursor of a name, made at `start` if there is none, for a new run.
    ///
    /// All its deliveries that wait are due at a random time of the run's first `spread`.
    func open(_ name: String, from start: LogStart, spread: Duration) async throws -> CursorRecord

    /// Returns a cursor with the counts of its deliveries.
    func status(of name: String) async throws -> CursorRecord

    /// Returns the first changes after a number, at most `limit`, and no more than take about
    /// `bytesMax` bytes but at least one.
    ///
    /// - Throws: OUT_OF_RANGE if changes that follow are no longer kept.
    func changes(
        after number: Int64,
        of name: String,
        limit: Int,
        bytesMax: Int
    ) async throws -> CursorBatch

    /// Returns the deliveries that are due at a time of the run, the longest due first, and the time
    /// at which the next one of all that wait is due.
    ///
    /// Deliveries whose feedback is gone or damaged are passed over.
    func dueDeliveries(
        of name: String,
        at time: Duration,
        limit: Int
    ) async throws -> DueDeliveries

    /// Records a cursor's progress in one transaction.
    func record(_ progress: CursorProgress) async throws

    /// Pauses a cursor, or lets it go on.
    func setPaused(_ name: String, _ isPaused: Bool) async throws

    /// Puts a cursor to another place of the log, and returns its number.
    ///
    /// - Throws: INVALID_ARGUMENT or OUT_OF_RANGE, as ``LogEpoch/number(of:end:firstKept:)`` does.
    func rewind(_ name: String, to start: LogStart) async throws -> Int64

    /// Returns deliveries in the order of their ids, and the number of all in that state.
    ///
    /// The list is of one cursor or, without a name, of all. It begins after the id and has at most
    /// `limit` deliveries: with their feedback if `bytesMax` is not nil, and then no more than take
    /// about so many bytes, and one beyond.
    func deliveries(
        of name: String?,
        in state: Delivery.State,
        after id: Int64,
        limit: Int,
        bytesMax: Int?
    ) async throws -> (deliveries: [Delivery], totalSize: Int64)

    /// Makes deliveries due at once, those with the ids or all dead letters, and returns their
    /// number.
    func retry(_ ids: [Int64]?, of name: String) async throws -> Int64

    /// Removes deliveries, those with the ids or all dead letters, and returns their number.
    func drop(_ ids: [Int64]?, of name: String) async throws -> Int64

    /// Returns what alert rules need to know of the feedback up to a number, in the order of the
    /// queries.
    func tallies(_ queries: [TallyQuery], upTo number: Int64) async throws -> [Tally]
}

extension CallError {
    /// The error for a destination that does not exist.
    package static let unknownDestination = CallError(
        .notFound,
        "destination: there is none of this name"
    )
}

/// A cursor as it is stored.
package struct CursorRecord: Sendable, Hashable {
    /// The number up to which every change has been delivered or is among the deliveries.
    package var position: Int64
    /// True if nothing is delivered until the cursor is resumed.
    package var isPaused = false
    /// The number of changes that lacked something the destination needs.
    package var skippedCount: Int64 = 0
    /// The reason for which the last attempt failed; empty if none has.
    package var lastError = ""
    /// The number of changes after ``position``: exact up to 10,000, and at least the true number
    /// above.
    package var changesBehind: Int64 = 0
    /// The time of the first change after ``position``; nil if there is none.
    package var behindSince: Timestamp?
    /// The number of deliveries that wait for another attempt.
    package var retryingCount: Int64 = 0
    /// The number of dead letters.
    package var deadCount: Int64 = 0

    package init(position: Int64) { self.position = position }
}

/// A change in a log whose positions are numbers.
package struct CursorChange: Sendable, Hashable {
    /// The position of the change.
    package var number: Int64
    /// The first position of the feedback, which stands for it for ever.
    package var sequence: Int64
    /// The kind of the change.
    package var kind: FeedbackChange.Kind
    /// The feedback in its present state.
    package var feedback: Feedback
    /// The state of the cursor's delivery of this feedback that has failed before; nil if there is
    /// none.
    package var delivery: Delivery.State?

    package init(
        number: Int64,
        sequence: Int64,
        kind: FeedbackChange.Kind,
        feedback: Feedback,
        delivery: Delivery.State? = nil
    ) {
        self.number = number
        self.sequence = sequence
        self.kind = kind
        self.feedback = feedback
        self.delivery = delivery
    }
}

/// Some changes of a log, in order.
package struct CursorBatch: Sendable {
    /// The changes, with ascending numbers.
    package var changes: [CursorChange]
    /// The number up to which the log has been read.
    package var readUpTo: Int64
    /// True if there was no further change.
    package var isAtEnd: Bool
    /// The number of changes that were passed over because their feedback is damaged.
    package var unreadableCount: Int64

    package init(
        changes: [CursorChange],
        readUpTo: Int64,
        isAtEnd: Bool,
        unreadableCount: Int64 = 0
    ) {
        self.changes = changes
        self.readUpTo = readUpTo
        self.isAtEnd = isAtEnd
        self.unreadableCount = unreadableCount
    }
}

/// The attempts of a delivery that has failed.
package struct DeliveryAttempts: Sendable, Hashable {
    /// The number of attempts.
    package var count = 0
    /// The time that the attempts took, with the waits between them while the destination answered.
    package var waited = Duration.zero
    /// The time of the first attempt, to be shown.
    package var firstAt: Timestamp

    package init(count: Int = 0, waited: Duration = .zero, firstAt: Timestamp) {
        self.count = count
        self.waited = waited
        self.firstAt = firstAt
    }
}

/// The deliveries of a cursor that are due.
package struct DueDeliveries: Sendable {
    /// The changes to be delivered, in their present state, with the attempts so far.
    package var deliveries: [(change: CursorChange, attempts: DeliveryAttempts)]
    /// The time of the run at which the next delivery that is not among them is due; nil if there is
    /// none.
    package var next: Duration?

    package init(
        deliveries: [(change: CursorChange, attempts: DeliveryAttempts)],
        next: Duration?
    ) {
        self.deliveries = deliveries
        self.next = next
    }
}

/// The progress of a cursor since it was last recorded.
package struct CursorProgress: Sendable {
    /// The outcome of the deliveries of one feedback.
    package struct Outcome: Sendable {
        /// The state in which the delivery is afterwards.
        package enum Next: Sendable {
            /// The delivery has ended: it leaves the list if it stands there.
            case ended
            /// The delivery is attempted again at a time of the run, which is shown as `at`.
            case retrying(due: Duration, at: Timestamp, error: String, DeliveryAttempts)
            /// The delivery is a dead letter.
            case dead(error: String, DeliveryAttempts)
        }

        /// The first number of the feedback.
        package var sequence: Int64
        /// The state in which the delivery is afterwards.
        package var next: Next

        package init(sequence: Int64, next: Next) {
            self.sequence = sequence
            self.next = next
        }
    }

    /// The name of the cursor.
    package var name: String
    /// The new position; nil if it stays.
    package var position: Int64?
    /// The outcomes, the later ones of a feedback last.
    package var outcomes: [Outcome] = []
    /// The number of further changes that lacked something the destination needs.
    package var skippedCount: Int64 = 0
    /// The reason for which the last attempt failed; nil if it stays.
    package var lastError: String?

    package init(name: String) { self.name = name }
}

/// A question of an alert rule.
package struct TallyQuery: Sendable, Hashable {
    /// The session whose feedback is considered; nil for that of all sessions.
    package var sessionID: String?
    /// The ratings that are counted.
    package var ratings: Set<Rating>
    /// The number of last ratings that are wanted.
    package var newestMax: Int

    package init(sessionID: String?, ratings: Set<Rating>, newestMax: Int) {
        self.sessionID = sessionID
        self.ratings = ratings
        self.newestMax = newestMax
    }
}

/// What an alert rule needs to know of some feedback.
package struct Tally: Sendable, Hashable {
    /// The number of feedbacks with the rule's ratings.
    package var count: Int64
    /// The last ratings, the newest first.
    package var newest: [Rating]

    package init(count: Int64, newest: [Rating]) {
        self.count = count
        self.newest = newest
    }
}

extension Feedback {
    /// The number of bytes that the feedback takes, roughly.
    package var bytes: Int {
        256 + sessionID.utf8.count + draft.textBytes(perTag: 16, perAttribute: 32)
    }
}
