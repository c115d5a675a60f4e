internal import CLinux
internal import Dispatch
internal import Glibc
internal import HeapModule
internal import ProtoCodec
internal import Synchronization

/// A serial queue on which some connections live, with what they share.
///
/// It is the task executor of their calls: a call that suspends comes back to its connection's
/// queue, unless who resumes it takes the turn itself (``visit(_:)``), and whatever came back while
/// the queue was busy is run in one go. Output is written at the end of each turn, so that the
/// replies of a turn share a system call.
///
/// All its sockets are in one epoll set, with a timer and a bell that others ring, and Dispatch
/// watches only that set, for as long as the loop lives. A Dispatch source per socket would be the
/// usual way, but setting up and ending such sources at a high rate corrupts the memory of
/// libdispatch on Linux, also when all its rules are kept (swift-corelibs-libdispatch, issue 949;
/// 20,000 clients a second were enough).
///
/// An event costs two wake-ups on its way through Dispatch: its manager's and a worker's. So a loop
/// that has been woken keeps its worker and waits on the epoll set itself, until nothing has come
/// for ``restAfterMilliseconds``. Other queues do not suffer: Dispatch gives every serial queue that
/// has work a thread of its own, beyond the number of cores if need be.
final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Unchecked: `inbox` has its lock; everything else is used in turns only.

    private enum Job: Sendable {
        case task(UnownedJob)
        case work(@Sendable () -> Void)
    }

    /// What others leave for the loop.
    private struct Inbox {
        var jobs: [Job] = []
        /// Whether the loop will look here before it waits: nobody needs to ring the bell.
        var isAttended = false
    }

    /// A channel that wants to be woken.
    private struct Alarm: Comparable {
        var deadline: ContinuousClock.Instant
        var descriptor: Int32
        /// Tells whether the descriptor is still the channel's.
        var watch: UInt64

        init(_ channel: Channel, _ deadline: ContinuousClock.Instant) {
            self.deadline = deadline
            descriptor = channel.descriptor
            watch = channel.watch
        }

        static func < (a: Alarm, b: Alarm) -> Bool { a.deadline < b.deadline }
        static func == (a: Alarm, b: Alarm) -> Bool { a.deadline == b.deadline }
    }

    /// How many bytes one read takes at most.
    private static let readBufferBytes = 64 * 1024
    /// How many sockets one look at the epoll set yields at most.
    private static let eventsMax = 256
    /// The same for a visitor's look.
    private static let attendedEventsMax = 16
    /// How many alarms may be kept beside those that channels still wait for.
    private static let staleAlarmsMax = 1_024
    /// After so long without an event the loop gives its worker back.
    private static let restAfterMilliseconds: Int32 = 100

    let queue: DispatchQueue
    let readBuffer: UnsafeMutableRawBufferPointer
    /// For the message that is being decoded or encoded; no content outlives a function.
    let arena: ProtoArena
    /// Nil if nobody collects what is recorded.
    let instruments: RPCInstruments?
    private let turnLock = TurnLock()
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
    private var watches: UInt64 = 0
    /// An eventfd: every write to it ends a wait.
    private let bell: Int32

    /// A timerfd.
    private let timer: Int32
    private var timerDeadline: ContinuousClock.Instant?
    private var alarms = Heap<Alarm>()

    /// - Throws: a ``SystemError`` when the process has no descriptor left.
    init(label: String, limits: RPCLimits, instruments: RPCInstruments? = nil) throws {
        self.instruments = instruments
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        timer = timerfd_create(CLOCK_BOOTTIME, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
        do {
            guard epoll >= 0, bell >= 0, timer >= 0 else {
                throw SystemError("cannot make an epoll set")
            }
            // Edge-triggered: neither needs to be read.
            for descriptor in [bell, timer] {
                let events = EPOLLIN.rawValue | EPOLLET.rawValue
                try EventLoop.control(EPOLL_CTL_ADD, descriptor, 0, events, epoll)
            }
        } catch {
            for descriptor in [epoll, bell, timer] where descriptor >= 0 {
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
        source.setCancelHandler { [epoll, bell, timer] in
            for descriptor in [epoll, bell, timer] { Glibc.close(descriptor) }
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
        let mustRing = inbox.withLock { inbox in
            inbox.jobs.append(job)
            defer { inbox.isAttended = true }
            return !inbox.isAttended
        }
        if mustRing { ring() }
    }

    /// Takes turns until there has been nothing to do for a while.
    private func run() {
        dispatchPrecondition(condition: .onQueue(queue))
        var wait: Int32 = 0
        while true {
            let count = epoll_wait(epoll, events.baseAddress, Int32(events.count), wait)
            turnLock.lock()
            takeJobs()
            let isQuiet = count <= 0 && jobs.isEmpty
            if !isQuiet { turn(events[..<max(0, Int(count))]) }
            let mayWait = leaveInbox()
            turnLock.unlock()
            if isQuiet, mayWait, wait > 0 { return }
            wait = mayWait ? Self.restAfterMilliseconds : 0
        }
    }

    /// Calls `wake`, which enqueues jobs, and takes a turn with them on the caller's thread if the
    /// loop is between two of its own; otherwise that is left to the loop.
    ///
    /// Waking up the loop's own thread takes longer than most turns.
    func visit(_ wake: () -> Void) {
        guard turnLock.tryLock() else { return wake() }
        // Nobody needs to ring while a turn is taken.
        inbox.withLock { $0.isAttended = true }
        wake()
        takeVisitorsTurn(events[..<0])
    }

    /// Takes turns with what comes in, on the caller's thread, as long as the condition holds.
    ///
    /// For a thread that expects something to come: it gives way to whoever else wants its
    /// processor, but never sleeps.
    func attend(while condition: () -> Bool) {
        withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Self.attendedEventsMax) {
            events in
            while condition() {
                // Events are told once: who has taken some must not wait for a turn.
                if turnLock.tryLock() {
                    let count = epoll_wait(epoll, events.baseAddress, Int32(events.count), 0)
                    if count > 0 {
                        takeVisitorsTurn(events[..<Int(count)])
                        continue
                    }
                    turnLock.unlock()
                }
                sched_yield()
            }
        }
    }

    /// Ends the program if this is not called by what a turn does.
    func preconditionInTurn() { turnLock.preconditionHeld() }

    /// Takes a turn, which has begun with taking the lock, and leaves the rest to the loop.
    private func takeVisitorsTurn(_ events: Slice<UnsafeMutableBufferPointer<epoll_event>>) {
        takeJobs()
        turn(events)
        let hasMore = !leaveInbox()
        turnLock.unlock()
        if hasMore { ring() }
    }

    private func ring() { eventfd_write(bell, 1) }

    private func takeJobs() {
        inbox.withLock { inbox in
            inbox.isAttended = true
            swap(&inbox.jobs, &jobs)
        }
    }

    /// Says that the bell has to be rung for further jobs, unless there are some already.
    private func leaveInbox() -> Bool {
        inbox.withLock { inbox in
            inbox.isAttended = !inbox.jobs.isEmpty
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
        let watch = watches + 1
        try Self.control(EPOLL_CTL_ADD, descriptor, watch, Self.inputEvents, epoll)
        channels[descriptor] = channel
        watches = watch
        return watch
    }

    /// Whether to tell the channel when its socket becomes writable, too.
    ///
    /// Wanted only while there is output that the socket did not take: a socket also becomes
    /// writable whenever its peer has read a reply, and each would wake the loop up for nothing.
    ///
    /// - Throws: a ``SystemError`` when the kernel has no memory for it.
    func watchOutput(_ isWanted: Bool, _ channel: Channel) throws {
        let events = Self.inputEvents | (isWanted ? EPOLLOUT.rawValue : 0)
        try Self.control(EPOLL_CTL_MOD, channel.descriptor, channel.watch, events, epoll)
    }

    private static let inputEvents = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue

    /// Events name the descriptor and, above it, the end of the channel's number.
    private static func control(
        _ operation: Int32,
        _ descriptor: Int32,
        _ watch: UInt64,
        _ events: UInt32,
        _ epoll: Int32
    ) throws {
        var event = epoll_event()
        event.events = events
        event.data.u64 = watch << 32 | UInt64(descriptor)
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
        if descriptor == timer { return timerFired() }
        // Since the event was taken from the set, this turn or a visitor's may have closed the
        // descriptor, which may even be another channel's now. The bell has no channel.
        guard let channel = channels[descriptor],
            event.data.u64 >> 32 == channel.watch & 0xFFFF_FFFF
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
        alarms.insert(Alarm(channel, deadline))
        if alarms.count > 2 * channels.count + Self.staleAlarmsMax { dropStaleAlarms() }
        setTimer()
    }

    /// Keeps each channel's next alarm only: deadlines that were not reached leave theirs behind.
    private func dropStaleAlarms() {
        alarms = Heap(
            channels.values.compactMap { channel in channel.alarm.map { Alarm(channel, $0) } }
        )
    }

    /// Sets the timer, unless it is set to go off early enough: it is set again when it does.
    private func setTimer() {
        guard let next = alarms.min else { return }
        if let timerDeadline, timerDeadline <= next.deadline { return }
        timerDeadline = next.deadline
        // A time of 0 would switch the timer off.
        let wait = max(1, (next.deadline - .now).nanoseconds)
        var setting = itimerspec()
        setting.it_value.tv_sec = Int(wait / 1_000_000_000)
        setting.it_value.tv_nsec = Int(wait % 1_000_000_000)
        timerfd_settime(timer, 0, &setting, nil)
    }

    private func timerFired() {
        timerDeadline = nil
        let now = ContinuousClock.now
        while let next = alarms.min, next.deadline <= now {
            alarms.removeMin()
            if let channel = channels[next.descriptor], channel.watch == next.watch {
                channel.woke(at: now)
            }
        }
        setTimer()
    }
}
