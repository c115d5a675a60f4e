public import FeedbackModel
internal import Glibc

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

/// Where a call came from, and where its answer goes.
///
/// Used from any thread.
public protocol CallOrigin: AnyObject, Sendable {
    /// True once nobody waits for the answer any more.
    var isCancelled: Bool { get }

    /// Calls `resume`, which resumes the call's task, and lets the task go on here, on this thread
    /// and before this returns, if its usual one is at rest.
    ///
    /// So the answer is sent by the thread that has made it, which need not wake up another. A
    /// thread that has other work to do should just resume.
    func goOn(_ resume: () -> Void)

    /// Does here what comes in for the call's usual thread, which then need not be woken up, as long
    /// as the condition holds; gives way to whoever else wants the processor.
    ///
    /// What comes in are other calls and their hooks, too: the condition is asked between them.
    func attend(while condition: () -> Bool)
}

extension CallOrigin {
    /// Just resumes.
    public func goOn(_ resume: () -> Void) { resume() }

    /// Just gives way.
    public func attend(while condition: () -> Bool) { giveWay(while: condition) }
}

private func giveWay(while condition: () -> Bool) {
    while condition() { sched_yield() }
}

/// What the service knows about a call besides its request.
public struct CallContext: Sendable {
    /// Who calls; nil within the same process.
    public var peer: Peer?
    /// When the answer is no longer wanted.
    public var deadline: ContinuousClock.Instant?
    /// Where the answer goes; nil if it is always wanted.
    public var origin: (any CallOrigin)?

    /// Makes a context; the default is a call of the same process without a deadline.
    public init(
        peer: Peer? = nil,
        deadline: ContinuousClock.Instant? = nil,
        origin: (any CallOrigin)? = nil
    ) {
        self.peer = peer
        self.deadline = deadline
        self.origin = origin
    }

    /// Calls `resume`, which resumes the call's task, and lets it go on here if its usual thread is
    /// at rest; see ``CallOrigin/goOn(_:)``.
    public func goOn(_ resume: () -> Void) {
        if let origin { origin.goOn(resume) } else { resume() }
    }

    /// Does here what comes in for the call's usual thread, as long as the condition holds; see
    /// ``CallOrigin/attend(while:)``.
    public func attend(while condition: () -> Bool) {
        if let origin { origin.attend(while: condition) } else { giveWay(while: condition) }
    }

    /// Why work that has not begun should not begin any more; nil if it should.
    public var reasonToDrop: FeedbackError? {
        if let deadline, deadline <= .now {
            return FeedbackError(.deadlineExceeded, "the deadline passed before the work began")
        }
        if let origin, origin.isCancelled {
            return FeedbackError(.cancelled, "the caller went away before the work began")
        }
        return nil
    }
}
