/// A destination of changes, with its progress.
public struct DestinationStatus: Sendable, Hashable {
    /// The name in the configuration.
    public var name: String
    /// The kind, such as `webhook`, `command` or `log`.
    public var kind: String
    /// The position up to which every change has been delivered or is among the deliveries that
    /// wait.
    public var position: LogPosition
    /// The number of changes after ``position``.
    public var changesBehind: Int64
    /// The age of the first change after ``position``, in whole seconds; 0 if there is none.
    public var secondsBehind: Int64
    /// The number of deliveries that wait for another attempt.
    public var retryingCount: Int64
    /// The number of deliveries that were given up (dead letters).
    public var deadCount: Int64
    /// The number of changes that lacked something the destination needs.
    public var skippedCount: Int64
    /// The reason for which the last attempt failed, without content of any feedback; empty if none
    /// has.
    public var lastError: String
    /// True if nothing is delivered until the destination is resumed.
    public var isPaused: Bool
    /// The time at which a destination that does not answer is tried again; nil while it answers.
    public var nextAttemptAt: Timestamp?

    /// Makes the status of a destination that has had nothing to deliver.
    public init(name: String, kind: String, position: LogPosition) {
        self.name = name
        self.kind = kind
        self.position = position
        changesBehind = 0
        secondsBehind = 0
        retryingCount = 0
        deadCount = 0
        skippedCount = 0
        lastError = ""
        isPaused = false
    }
}

/// Something that was not delivered at the first attempt: what is delivered is the present state of
/// its feedback.
public struct Delivery: Sendable, Hashable {
    /// The state of a delivery.
    public enum State: Sendable, Hashable, CaseIterable {
        /// The delivery waits for another attempt.
        case retrying
        /// The delivery was given up: it is a dead letter.
        case dead
    }

    /// The identifier, which is unique within the destination: 1 to 255 bytes.
    public var id: String
    /// The name of the destination.
    public var destination: String
    /// The identifier of the feedback.
    public var feedbackID: FeedbackID?
    /// The session of the feedback.
    public var sessionID: String
    /// The state.
    public var state: State
    /// The number of attempts, all of which have failed.
    public var attempts: Int
    /// The time of the first attempt.
    public var firstAttemptAt: Timestamp
    /// The time of the next attempt; nil for a dead letter.
    public var nextAttemptAt: Timestamp?
    /// The reason for which the last attempt failed, without content of the feedback.
    public var lastError: String
    /// The feedback as it would be delivered; nil if it was not asked for.
    public var feedback: Feedback?

    /// Makes a delivery.
    public init(
        id: String,
        destination: String,
        feedbackID: FeedbackID?,
        sessionID: String,
        state: State,
        attempts: Int,
        firstAttemptAt: Timestamp,
        nextAttemptAt: Timestamp? = nil,
        lastError: String = "",
        feedback: Feedback? = nil
    ) {
        self.id = id
        self.destination = destination
        self.feedbackID = feedbackID
        self.sessionID = sessionID
        self.state = state
        self.attempts = attempts
        self.firstAttemptAt = firstAttemptAt
        self.nextAttemptAt = nextAttemptAt
        self.lastError = lastError
        self.feedback = feedback
    }
}

/// A request for a page of deliveries.
public struct DeliveryQuery: Sendable, Hashable {
    /// The name of the destination; empty for every destination.
    public var destination: String
    /// The state of the deliveries that are listed.
    public var state: Delivery.State
    /// The maximum number of deliveries on the page; 0 means ``FieldLimits/pageSizeDefault``.
    public var pageSize: Int
    /// The ``DeliveryPage/nextPageToken`` of the previous page; empty for the first page.
    public var pageToken: String
    /// True to have the feedback in each delivery.
    public var includesContent: Bool

    /// Makes a query; the default is the first page of all dead letters.
    public init(
        destination: String = "",
        state: Delivery.State = .dead,
        pageSize: Int = 0,
        pageToken: String = "",
        includesContent: Bool = false
    ) {
        self.destination = destination
        self.state = state
        self.pageSize = pageSize
        self.pageToken = pageToken
        self.includesContent = includesContent
    }
}

/// One page of deliveries.
public struct DeliveryPage: Sendable, Hashable {
    /// The deliveries, in the order of their first attempts.
    public var deliveries: [Delivery]
    /// The token for the next page; empty on the last page.
    public var nextPageToken: String
    /// The number of deliveries on all pages.
    public var totalSize: Int64

    /// Makes a page.
    public init(deliveries: [Delivery] = [], nextPageToken: String = "", totalSize: Int64 = 0) {
        self.deliveries = deliveries
        self.nextPageToken = nextPageToken
        self.totalSize = totalSize
    }
}

/// The deliveries of one destination that a request is about.
public struct DeliverySelection: Sendable, Hashable {
    /// The name of the destination.
    public var destination: String
    /// The ids of the deliveries, 1 to ``FieldLimits/deliveryIDsMax``; nil for all that the request
    /// can be about.
    public var ids: [String]?

    /// Makes a selection.
    public init(destination: String, ids: [String]? = nil) {
        self.destination = destination
        self.ids = ids
    }
}

/// The state of the daemon.
public struct ServerStatus: Sendable, Hashable {
    /// The version of the daemon.
    public var version: String
    /// The time at which the daemon was started.
    public var startedAt: Timestamp
    /// The store as the configuration names it, without secrets.
    public var store: String
    /// The position of the last change; nil if the store keeps no log, or cannot be asked now.
    public var position: LogPosition?
    /// The destinations, in the order of the configuration.
    public var destinations: [DestinationStatus]
    /// The number of writes that MongoDB does not have yet.
    public var unreplicatedCount: Int64
    /// The time of the oldest write that MongoDB does not have yet; nil if there is none.
    public var unreplicatedSince: Timestamp?

    /// Makes a status.
    public init(
        version: String,
        startedAt: Timestamp,
        store: String,
        position: LogPosition?,
        destinations: [DestinationStatus] = [],
        unreplicatedCount: Int64 = 0,
        unreplicatedSince: Timestamp? = nil
    ) {
        self.version = version
        self.startedAt = startedAt
        self.store = store
        self.position = position
        self.destinations = destinations
        self.unreplicatedCount = unreplicatedCount
        self.unreplicatedSince = unreplicatedSince
    }
}
