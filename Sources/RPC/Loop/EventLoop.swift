internal import CLinux
internal import Dispatch
internal import Glibc
internal import HeapModule
internal import ProtoCodec
internal import Synchronization

/// A serial queue on which some connections live, with what they share.
///
/// It is the task executor of their calls: a call that suspends comes back to its connection's
/// queue, and whatever came back while the queue was busy is run in one go. Output is written at the
/// end of each turn, so that the replies of a turn share a system call.
///
/// All its sockets are in one epoll set, with a timer and an eventfd for wakeups, and Dispatch
/// watches only that set, for as long as the loop lives. A Dispatch source per socket would be the
/// usual way, but setting up and ending such sources at a high rate corrupts the memory of
/// libdispatch on Linux, also when all its rules are kept (swift-corelibs-libdispatch, issue 949;
/// 20,000 clients a second were enough).
///
/// An event costs two wake-ups on its way through Dispatch: its manager's and a worker's. So a loop
/// that has been woken keeps its worker and waits on the epoll set itself, until nothing has come
/// for ``idleTimeoutMilliseconds``. Other queues do not suffer: Dispatch gives every serial queue that
/// has work a thread of its own, beyond the number of cores if need be.
final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Unchecked: `inbox` has its lock; everything else is used on `queue` only.

    private enum Job: Sendable {
        case task(UnownedJob)
        case work(@Sendable () -> Void)
    }

    /// What others leave for the loop.
    private struct Inbox {
        var jobs: [Job] = []
        /// Whether the loop will look here before it waits, without a wakeup.
        var isPolled = false
    }

    /// A time at which a channel is to be woken.
    private struct Timer: Comparable {
        var deadline: ContinuousClock.Instant
        var descriptor: Int32
        /// Tells whether the descriptor is still the channel's.
        var registrationID: UInt64

        init(_ channel: Channel, _ deadline: ContinuousClock.Instant) {
            self.deadline = deadline
            descriptor = channel.descriptor
            registrationID = channel.registrationID
        }

        static func < (a: Timer, b: Timer) -> Bool { a.deadline < b.deadline }
        static func == (a: Timer, b: Timer) -> Bool { a.deadline == b.deadline }
    }

    /// How many bytes one read takes at most.
    private static let readBufferBytes = 64 * 1024
    /// How many sockets one look at the epoll set yields at most.
    private static let eventsMax = 256
    /// How many timers may be kept beside those that channels still wait for.
    private static let staleTimersMax = 1_024
    /// After so long without an event the loop gives its worker back.
    private static let idleTimeoutMilliseconds: Int32 = 100

    let queue: DispatchQueue
    let readBuffer: UnsafeMutableRawBufferPointer
    /// For the message that is being decoded or encoded; no content outlives a function.
    let arena: ProtoArena
    /// Nil if nobody collects what is recorded.
    let instruments: RPCInstruments?
    private let inbox = Mutex(Inbox())
    /// The jobs of this turn.
    private var jobs: [Job] = []
    private var channelsWithOutput: [Channel] = []
    /// Those that are being flushed: both arrays keep their memory.
    private var flushedChannels: [Channel] = []

    private let epoll: Int32
    private let source: any DispatchSourceRead
    private let events: UnsafeMutableBufferPointer<epoll_event>
    /// The open channels by their descriptors.
    private var channels: [Int32: Channel] = [:]
    /// How many channels were watched so far.
    private var registrationCount: UInt64 = 0
    /// An eventfd: every write to it ends a wait.
    private let wakeup: Int32

    private let timerDescriptor: Int32
    private var timerDeadline: ContinuousClock.Instant?
    private var timers = Heap<Timer>()

    /// - Throws: a ``SystemError`` when the process has no descriptor left.
    init(label: String, limits: RPCLimits, instruments: RPCInstruments? = nil) throws {
        self.instruments = instruments
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        timerDescriptor = timerfd_create(CLOCK_BOOTTIME, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
        do {
            guard epoll >= 0, wakeup >= 0, timerDescriptor >= 0 else {
                throw SystemError("cannot make an epoll set")
            }
            // Edge-triggered: neither needs to be read.
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
    }

    deinit {
        // Nothing runs here any more: channels and tasks keep their loop.
        source.cancel()
        events.deallocate()
        readBuffer.deallocate()
    }

    // MARK: - Turns

    func enqueue(_ job: consuming ExecutorJob) { add(.task(UnownedJob(job))) }

    /// Runs the work in a turn of its own or together with what else waits.
    func submit(_ work: @escaping @Sendable () -> Void) { add(.work(work)) }

    /// Has the channel's output written at the end of this turn.
    func flushLater(_ channel: Channel) { channelsWithOutput.append(channel) }

    private func add(_ job: Job) {
        let mustWake = inbox.withLock { inbox in
            inbox.jobs.append(job)
            defer { inbox.isPolled = true }
            return !inbox.isPolled
        }
        if mustWake { eventfd_write(wakeup, 1) }
    }

    /// Takes turns until there has been nothing to do for a while.
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

    /// Says that further jobs need a wakeup, unless there are some already.
    private func leaveInbox() -> Bool {
        inbox.withLock { inbox in
            inbox.isPolled = !inbox.jobs.isEmpty
            return inbox.jobs.isEmpty
        }
    }

    /// Does what the sockets, the timer and others ask for, then writes what that left to write.
    private func turn(_ events: Slice<UnsafeMutableBufferPointer<epoll_event>>) {
        for event in events { handle(event) }
        for job in jobs {
            switch job {
            case .task(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .work(let work): work()
            }
        }
        jobs.removeAll(keepingCapacity: true)
        // Writing may close connections and so resume calls, but makes no further output here.
        while !channelsWithOutput.isEmpty {
            swap(&channelsWithOutput, &flushedChannels)
            for channel in flushedChannels { channel.flush() }
            flushedChannels.removeAll(keepingCapacity: true)
        }
    }

    // MARK: - Sockets

    /// Tells the channel from now on when its socket becomes readable (edge-triggered, epoll(7)),
    /// beginning with what it is already.
    ///
    /// - Returns: a number that no other channel gets.
    /// - Throws: a ``SystemError`` when the kernel cannot watch any more.
    func watch(_ channel: Channel, _ descriptor: Int32) throws -> UInt64 {
        let registrationID = registrationCount + 1
        try Self.control(EPOLL_CTL_ADD, descriptor, registrationID, Self.inputEvents, epoll)
        channels[descriptor] = channel
        registrationCount = registrationID
        return registrationID
    }

    /// Whether to tell the channel when its socket becomes writable, too.
    ///
    /// Wanted only while there is output that the socket did not take: a socket also becomes
    /// writable whenever its peer has read a reply, and each would wake the loop up for nothing.
    ///
    /// - Throws: a ``SystemError`` when the kernel has no memory for it.
    func watchOutput(_ isWanted: Bool, _ channel: Channel) throws {
        let events = Self.inputEvents | (isWanted ? EPOLLOUT.rawValue : 0)
        try Self.control(EPOLL_CTL_MOD, channel.descriptor, channel.registrationID, events, epoll)
    }

    private static let inputEvents = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue

    /// Events name the descriptor and, above it, the end of the channel's number.
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

    /// Closes the descriptor, which takes it out of the epoll set.
    func close(_ descriptor: Int32) {
        channels[descriptor] = nil
        Glibc.close(descriptor)
    }

    private func handle(_ event: epoll_event) {
        let descriptor = Int32(truncatingIfNeeded: event.data.u64)
        if descriptor == timerDescriptor { return timerFired() }
        // Since the event was taken from the set, this turn may have closed the descriptor, which may
        // even be another channel's now. The wakeup has no channel.
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

    /// Wakes the channel at that time.
    ///
    /// Every call counts; the channel sees for itself what is due.
    func wake(_ channel: Channel, at deadline: ContinuousClock.Instant) {
        timers.insert(Timer(channel, deadline))
        if timers.count > 2 * channels.count + Self.staleTimersMax { dropStaleTimers() }
        setTimer()
    }

    /// Keeps each channel's next timer only: deadlines that were not reached leave theirs behind.
    private func dropStaleTimers() {
        timers = Heap(
            channels.values.compactMap { channel in channel.timer.map { Timer(channel, $0) } }
        )
    }

    /// Sets the timer, unless it is set to go off early enough: it is set again when it does.
    private func setTimer() {
        guard let next = timers.min else { return }
        if let timerDeadline, timerDeadline <= next.deadline { return }
        timerDeadline = next.deadline
        // A time of 0 would switch the timer off.
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
