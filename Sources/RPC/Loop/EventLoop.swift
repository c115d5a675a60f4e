internal import CLinux
internal import Dispatch
internal import Glibc
internal import HeapModule
internal import ProtoCodec
internal import Synchronization

/// An event loop on a serial queue, which serves a part of the connections, with the read buffer
/// and the arena that they share.
///
/// The loop is the task executor of the calls on its connections: a task that is resumed runs on
/// the queue of its connection, together with all other jobs that have been added since the last
/// turn. Output is written at the end of each turn, so that the replies of a turn share a system
/// call.
///
/// All sockets of the loop are in one epoll set, with a timerfd and an eventfd for wakeups.
/// Dispatch watches only that set, for as long as the loop lives. A Dispatch source per socket
/// would be the usual way, but setting up and ending such sources at a high rate corrupts the
/// memory of libdispatch on Linux, even when all its rules are kept (swift-corelibs-libdispatch,
/// issue 949; 20,000 clients a second were enough).
///
/// An event on the epoll set costs two thread wakeups in Dispatch: one of its manager and one of a
/// worker. A loop that has been woken therefore keeps its worker and waits on the epoll set itself,
/// until no event has come for ``idleTimeoutMilliseconds``. This does not delay other queues:
/// Dispatch gives every serial queue that has work a thread of its own, beyond the number of cores
/// if need be.
final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Unchecked: `inbox` has a lock of its own; everything else is used on `queue` only.

    private enum Job: Sendable {
        case task(UnownedJob)
        case work(@Sendable () -> Void)
    }

    /// The jobs that were added and that the loop has not taken yet.
    private struct Inbox {
        var jobs: [Job] = []
        /// True if the loop will look into the inbox before it waits, so that a new job needs no
        /// wakeup.
        var isPolled = false
    }

    /// A time at which a channel is to be woken.
    private struct Timer: Comparable {
        var deadline: ContinuousClock.Instant
        var descriptor: Int32
        /// The channel's number, by which a timer of a former owner of the descriptor is
        /// recognized.
        var registrationID: UInt64

        init(_ channel: Channel, _ deadline: ContinuousClock.Instant) {
            self.deadline = deadline
            descriptor = channel.descriptor
            registrationID = channel.registrationID
        }

        static func < (a: Timer, b: Timer) -> Bool { a.deadline < b.deadline }
        static func == (a: Timer, b: Timer) -> Bool { a.deadline == b.deadline }
    }

    /// The maximum size of one read, in bytes.
    private static let readBufferBytes = 64 * 1024
    /// The maximum number of events that one call of epoll_wait(2) returns.
    private static let eventsMax = 256
    /// The number of timers, beyond two per channel, from which those are dropped that no channel
    /// waits for any more.
    private static let staleTimersMax = 1_024
    /// The time without an event after which the loop gives its worker back to Dispatch.
    private static let idleTimeoutMilliseconds: Int32 = 100

    /// Holds the loop whose queue it is.
    private static let loopKey = DispatchSpecificKey<ObjectIdentifier>()

    let queue: DispatchQueue
    let readBuffer: UnsafeMutableRawBufferPointer
    /// The memory of the message that is being decoded or encoded.
    ///
    /// Each user resets it first; nothing in it may be used after the job that built it.
    let arena: ProtoArena
    /// The instruments of the server; nil if no metrics system is installed, and for clients.
    let instruments: RPCInstruments?
    private let inbox = Mutex(Inbox())
    /// The jobs of the present turn.
    private var jobs: [Job] = []
    private var channelsWithOutput: [Channel] = []
    /// The channels that are being flushed.
    ///
    /// It is swapped with `channelsWithOutput`, so that both arrays keep their capacity.
    private var flushedChannels: [Channel] = []

    private let epoll: Int32
    private let source: any DispatchSourceRead
    private let events: UnsafeMutableBufferPointer<epoll_event>
    /// The open channels by their descriptors.
    private var channels: [Int32: Channel] = [:]
    /// The number of channels that have been watched so far.
    private var registrationCount: UInt64 = 0
    /// The limits of the loop's connections; kept here once, since there are many connections.
    let limits: RPCLimits
    /// An eventfd: every write to it ends a wait on the epoll set.
    private let wakeup: Int32

    private let timerDescriptor: Int32
    /// The time for which the timerfd is set; nil if it is not.
    private var timerDeadline: ContinuousClock.Instant?
    private var timers = Heap<Timer>()

    /// Makes a loop whose queue has the label.
    ///
    /// - Throws: a ``SystemError`` when the process has no descriptor left.
    init(label: String, limits: RPCLimits, instruments: RPCInstruments? = nil) throws {
        self.limits = limits
        self.instruments = instruments
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        timerDescriptor = timerfd_create(CLOCK_BOOTTIME, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
        do {
            guard epoll >= 0, wakeup >= 0, timerDescriptor >= 0 else {
                throw SystemError("cannot make an epoll set")
            }
            // Neither of them is read: an edge-triggered event is reported once anyway.
            for descriptor in [wakeup, timerDescriptor] {
                let events = EPOLLIN.rawValue | EPOLLET.rawValue
                try EventLoop.control(EPOLL_CTL_ADD, descriptor, 0, events, epoll)
            }
        } catch {
            for descriptor in [epoll, wakeup, timerDescriptor] where descriptor >= 0 {
                Glibc.close(descriptor)
            }
            throw error
        }
        queue = DispatchQueue(label: label)
        readBuffer = .allocate(byteCount: Self.readBufferBytes, alignment: 16)
        arena = ProtoArena(bytesMax: limits.messageMemoryBytesMax)
        events = .allocate(capacity: Self.eventsMax)
        source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: queue)
        source.setEventHandler { [weak self] in self?.run() }
        source.setCancelHandler { [epoll, wakeup, timerDescriptor] in
            for descriptor in [epoll, wakeup, timerDescriptor] { Glibc.close(descriptor) }
        }
        source.activate()
        queue.setSpecific(key: Self.loopKey, value: ObjectIdentifier(self))
    }

    deinit {
        // No job runs any more, since channels and tasks retain their loop.
        source.cancel()
        events.deallocate()
        readBuffer.deallocate()
    }

    // MARK: - Turns

    /// Adds a job of a task whose executor is this loop; may be called from any thread.
    func enqueue(_ job: consuming ExecutorJob) { add(.task(UnownedJob(job))) }

    /// Runs `work` on the loop's queue in the next turn; may be called from any thread.
    func submit(_ work: @escaping @Sendable () -> Void) { add(.work(work)) }

    /// True if the caller runs on the loop's queue.
    var isCurrent: Bool {
        DispatchQueue.getSpecific(key: Self.loopKey) == ObjectIdentifier(self)
    }

    /// Flushes the channel's output at the end of the present turn.
    func flushLater(_ channel: Channel) { channelsWithOutput.append(channel) }

    private func add(_ job: Job) {
        let mustWake = inbox.withLock { inbox in
            inbox.jobs.append(job)
            defer { inbox.isPolled = true }
            return !inbox.isPolled
        }
        if mustWake { eventfd_write(wakeup, 1) }
    }

    /// Runs turns until there has been nothing to do for the idle timeout.
    private func run() {
        dispatchPrecondition(condition: .onQueue(queue))
        var wait: Int32 = 0
        while true {
            let count = epoll_wait(epoll, events.baseAddress, Int32(events.count), wait)
            takeJobs()
            let isQuiet = count <= 0 && jobs.isEmpty
            if !isQuiet { turn(events[..<max(0, Int(count))]) }
            let mayWait = leaveInbox()
            if isQuiet, mayWait, wait > 0 { return }
            wait = mayWait ? Self.idleTimeoutMilliseconds : 0
        }
    }

    private func takeJobs() {
        inbox.withLock { inbox in
            inbox.isPolled = true
            swap(&inbox.jobs, &jobs)
        }
    }

    /// Makes further jobs wake the loop, and returns true, unless jobs have been added meanwhile.
    private func leaveInbox() -> Bool {
        inbox.withLock { inbox in
            inbox.isPolled = !inbox.jobs.isEmpty
            return inbox.jobs.isEmpty
        }
    }

    /// Handles the events, runs the jobs, and then writes the output that this has led to.
    private func turn(_ events: Slice<UnsafeMutableBufferPointer<epoll_event>>) {
        for event in events { handle(event) }
        for job in jobs {
            switch job {
            case .task(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .work(let work): work()
            }
        }
        jobs.removeAll(keepingCapacity: true)
        // A flush may close its connection and so resume tasks, but their output belongs to a later
        // turn.
        while !channelsWithOutput.isEmpty {
            swap(&channelsWithOutput, &flushedChannels)
            for channel in flushedChannels { channel.flush() }
            flushedChannels.removeAll(keepingCapacity: true)
        }
    }

    // MARK: - Sockets

    /// Reports to the channel from now on when its socket becomes readable (edge-triggered,
    /// epoll(7)), and at once if it is already.
    ///
    /// - Returns: the channel's number, which no other channel of this loop gets.
    /// - Throws: a ``SystemError`` when the kernel cannot watch another descriptor.
    func watch(_ channel: Channel, _ descriptor: Int32) throws -> UInt64 {
        let registrationID = registrationCount + 1
        try Self.control(EPOLL_CTL_ADD, descriptor, registrationID, Self.inputEvents, epoll)
        channels[descriptor] = channel
        registrationCount = registrationID
        return registrationID
    }

    /// Starts or stops reporting to the channel when its socket becomes writable.
    ///
    /// This is needed only while there is output that the socket did not take: a socket also
    /// becomes writable whenever its peer has read a reply, and each such event would wake the loop
    /// for nothing.
    ///
    /// - Throws: a ``SystemError`` when the kernel has no memory for the change.
    func watchOutput(_ isWanted: Bool, _ channel: Channel) throws {
        let events = Self.inputEvents | (isWanted ? EPOLLOUT.rawValue : 0)
        try Self.control(EPOLL_CTL_MOD, channel.descriptor, channel.registrationID, events, epoll)
    }

    private static let inputEvents = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue

    /// Changes the epoll set.
    ///
    /// The data of an event has the descriptor in its lower half, and the low 32 bits of the
    /// channel's number in its upper half.
    private static func control(
        _ operation: Int32,
        _ descriptor: Int32,
        _ registrationID: UInt64,
        _ events: UInt32,
        _ epoll: Int32
    ) throws {
        var event = epoll_event()
        event.events = events
        event.data.u64 = registrationID << 32 | UInt64(descriptor)
        guard epoll_ctl(epoll, operation, descriptor, &event) == 0 else {
            throw SystemError("cannot watch a descriptor")
        }
    }

    /// Closes the descriptor, which also removes it from the epoll set.
    func close(_ descriptor: Int32) {
        channels[descriptor] = nil
        Glibc.close(descriptor)
    }

    private func handle(_ event: epoll_event) {
        let descriptor = Int32(truncatingIfNeeded: event.data.u64)
        if descriptor == timerDescriptor { return timerFired() }
        // This turn may have closed the descriptor since the event was reported, and it may even be
        // another channel's by now. The eventfd has no channel either.
        guard let channel = channels[descriptor],
            event.data.u64 >> 32 == channel.registrationID & 0xFFFF_FFFF
        else { return }
        let isGone = event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
        let isEnding = isGone || event.events & EPOLLRDHUP.rawValue != 0
        channel.becameReady(
            readable: event.events & EPOLLIN.rawValue != 0 || isEnding,
            writable: event.events & EPOLLOUT.rawValue != 0,
            ending: isEnding,
            gone: isGone
        )
    }

    // MARK: - Time

    /// Wakes the channel at `deadline`.
    ///
    /// Each call adds a timer; the channel decides which of its deadlines are due.
    func wake(_ channel: Channel, at deadline: ContinuousClock.Instant) {
        timers.insert(Timer(channel, deadline))
        if timers.count > 2 * channels.count + Self.staleTimersMax { dropStaleTimers() }
        setTimer()
    }

    /// Keeps only the next timer of each channel.
    ///
    /// Deadlines that were not reached have left others behind.
    private func dropStaleTimers() {
        timers = Heap(
            channels.values.compactMap { channel in channel.timer.map { Timer(channel, $0) } }
        )
    }

    /// Sets the timerfd for the earliest timer, unless it expires earlier: then it is set again.
    private func setTimer() {
        guard let next = timers.min else { return }
        if let timerDeadline, timerDeadline <= next.deadline { return }
        timerDeadline = next.deadline
        // A time of 0 would disarm the timerfd (timerfd_create(2)).
        let wait = max(1, (next.deadline - .now).nanoseconds)
        var setting = itimerspec()
        setting.it_value.tv_sec = Int(wait / 1_000_000_000)
        setting.it_value.tv_nsec = Int(wait % 1_000_000_000)
        timerfd_settime(timerDescriptor, 0, &setting, nil)
    }

    private func timerFired() {
        timerDeadline = nil
        let now = ContinuousClock.now
        while let next = timers.min, next.deadline <= now {
            timers.removeMin()
            if let channel = channels[next.descriptor],
                channel.registrationID == next.registrationID
            {
                channel.woke(at: now)
            }
        }
        setTimer()
    }
}
