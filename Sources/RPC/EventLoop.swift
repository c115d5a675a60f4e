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
/// All its sockets are in one epoll set, and Dispatch watches only that set and one timer, for as
/// long as the loop lives. A Dispatch source per socket would be the usual way, but setting up and
/// ending such sources at a high rate corrupts the memory of libdispatch on Linux, also when all its
/// rules are kept (swift-corelibs-libdispatch, issue 949; 20,000 clients a second were enough).
final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Unchecked: `jobs` has its lock; everything else is used on `queue` only.

    private enum Job: Sendable {
        case task(UnownedJob)
        case work(@Sendable () -> Void)
    }

    /// A channel that wants to be woken.
    private struct Alarm: Comparable {
        var deadline: ContinuousClock.Instant
        weak var channel: Channel?

        static func < (a: Alarm, b: Alarm) -> Bool { a.deadline < b.deadline }
        static func == (a: Alarm, b: Alarm) -> Bool { a.deadline == b.deadline }
    }

    /// How many bytes one read takes at most.
    private static let readBufferBytes = 64 * 1024
    /// How many sockets one look at the epoll set yields at most.
    private static let eventsMax = 256

    let queue: DispatchQueue
    let readBuffer: UnsafeMutableRawBufferPointer
    /// For the message that is being decoded or encoded; no content outlives a function.
    let arena: ProtoArena
    private let jobs = Mutex<[Job]>([])
    private var channelsWithOutput: [Channel] = []

    private let epoll: Int32
    private let epollSource: any DispatchSourceRead
    private let events: UnsafeMutableBufferPointer<epoll_event>
    /// The open channels by their descriptors.
    private var channels: [Int32: Channel] = [:]

    private let timer: any DispatchSourceTimer
    private var timerDeadline: ContinuousClock.Instant?
    private var alarms = Heap<Alarm>()

    /// - Throws: a ``SystemError`` when the process has no descriptor left.
    init(label: String, limits: RPCLimits) throws {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError("cannot make an epoll set") }
        queue = DispatchQueue(label: label)
        readBuffer = .allocate(byteCount: Self.readBufferBytes, alignment: 16)
        arena = ProtoArena(bytesMax: limits.messageMemoryBytesMax)
        events = .allocate(capacity: Self.eventsMax)
        epollSource = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: queue)
        timer = DispatchSource.makeTimerSource(queue: queue)
        epollSource.setEventHandler { [weak self] in
            guard let self else { return }
            turn { self.handleEvents() }
        }
        epollSource.setCancelHandler { [epoll] in _ = Glibc.close(epoll) }
        timer.setEventHandler { [weak self] in
            guard let self else { return }
            turn { self.timerFired() }
        }
        epollSource.activate()
        timer.activate()
    }

    deinit {
        // Nothing runs here any more: channels and tasks keep their loop.
        timer.cancel()
        epollSource.cancel()
        events.deallocate()
        readBuffer.deallocate()
    }

    // MARK: - Turns

    func enqueue(_ job: consuming ExecutorJob) { add(.task(UnownedJob(job))) }

    /// Runs the work in a turn of its own or together with what else waits.
    func submit(_ work: @escaping @Sendable () -> Void) { add(.work(work)) }

    /// Has the channel's output written at the end of this turn.
    func flushLater(_ channel: Channel) { channelsWithOutput.append(channel) }

    /// Runs the body on the queue, then writes what it left to write.
    private func turn(_ body: () -> Void) {
        dispatchPrecondition(condition: .onQueue(queue))
        body()
        // Writing may close connections and so resume calls, but makes no further output here.
        while !channelsWithOutput.isEmpty {
            let channels = channelsWithOutput
            channelsWithOutput.removeAll(keepingCapacity: true)
            for channel in channels { channel.flush() }
        }
    }

    private func add(_ job: Job) {
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { queue.async { self.turn { self.runJobs() } } }
    }

    private func runJobs() {
        let waiting = jobs.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        for job in waiting {
            switch job {
            case .task(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .work(let work): work()
            }
        }
    }

    // MARK: - Sockets

    /// Tells the channel from now on when its socket becomes readable or writable (edge-triggered,
    /// epoll(7)), beginning with what it is already.
    ///
    /// - Throws: a ``SystemError`` when the kernel cannot watch any more.
    func watch(_ channel: Channel, _ descriptor: Int32) throws {
        var event = epoll_event()
        event.events =
            EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        event.data.fd = descriptor
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw SystemError("cannot watch a socket")
        }
        channels[descriptor] = channel
    }

    /// Closes the descriptor, which takes it out of the epoll set.
    func close(_ descriptor: Int32) {
        channels[descriptor] = nil
        Glibc.close(descriptor)
    }

    private func handleEvents() {
        let count = epoll_wait(epoll, events.baseAddress, Int32(events.count), 0)
        guard count > 0 else { return }
        // A descriptor that is closed on the way here cannot be another channel's before the next
        // turn: an event for it finds nothing.
        for event in events[..<Int(count)] {
            guard let channel = channels[event.data.fd] else { continue }
            let isEnding = event.events & Self.endEvents != 0
            channel.becameReady(
                readable: event.events & EPOLLIN.rawValue != 0 || isEnding,
                writable: event.events & EPOLLOUT.rawValue != 0,
                ending: isEnding
            )
        }
    }

    private static let endEvents = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue

    // MARK: - Time

    /// Wakes the channel at that time.
    ///
    /// Every call counts; the channel sees for itself what is due.
    func wake(_ channel: Channel, at deadline: ContinuousClock.Instant) {
        alarms.insert(Alarm(deadline: deadline, channel: channel))
        setTimer()
    }

    /// Sets the timer, unless it is set to go off early enough: it is set again when it does.
    private func setTimer() {
        guard let next = alarms.min else { return }
        if let timerDeadline, timerDeadline <= next.deadline { return }
        timerDeadline = next.deadline
        let wait = max(.zero, next.deadline - .now)
        timer.schedule(
            deadline: .now() + .nanoseconds(Int(clamping: wait.nanoseconds)),
            leeway: .microseconds(100)
        )
    }

    private func timerFired() {
        timerDeadline = nil
        let now = ContinuousClock.now
        while let next = alarms.min, next.deadline <= now {
            alarms.removeMin()
            next.channel?.woke(at: now)
        }
        setTimer()
    }
}
