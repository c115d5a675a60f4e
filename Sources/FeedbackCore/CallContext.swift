public import FeedbackModel

/// The process at the other end of a call (SO_PEERCRED).
public struct Peer: Sendable, Hashable {
    /// Its process id when it connected.
    public var pid: Int32
    /// Its user id.
    public var uid: UInt32
    /// Its group id.
    public var gid: UInt32

    /// Makes a peer.
    public init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }
}

/// Tells whether the caller still waits for the answer.
///
/// Asked from any thread.
public protocol CallCancellation: AnyObject, Sendable {
    /// True once nobody waits any more.
    var isCancelled: Bool { get }
}

/// What the service knows about a call besides its request.
public struct CallContext: Sendable {
    /// Who calls; nil within the same process.
    public var peer: Peer?
    /// When the answer is no longer wanted.
    public var deadline: ContinuousClock.Instant?
    /// Whether the answer is no longer wanted; nil if that cannot happen.
    public var cancellation: (any CallCancellation)?

    /// Makes a context; the default is a call of the same process without a deadline.
    public init(
        peer: Peer? = nil,
        deadline: ContinuousClock.Instant? = nil,
        cancellation: (any CallCancellation)? = nil
    ) {
        self.peer = peer
        self.deadline = deadline
        self.cancellation = cancellation
    }

    /// Why work that has not begun should not begin any more; nil if it should.
    public var reasonToDrop: FeedbackError? {
        if let deadline, deadline <= .now {
            return FeedbackError(.deadlineExceeded, "the deadline passed before the work began")
        }
        if let cancellation, cancellation.isCancelled {
            return FeedbackError(.cancelled, "the caller went away before the work began")
        }
        return nil
    }
}
