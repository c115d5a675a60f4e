internal import CLinux
internal import Glibc

/// The loop of one thread, which keeps calls in flight on its connections and counts the replies.
///
/// Nothing is allocated for a call, and nothing is shared with other threads. All requests that can
/// be sent at one time are written with one system call, and one system call reads all replies that
/// have arrived. The clock is read once for each batch of replies: that time ends their calls and,
/// in the closed loop, starts the calls that replace them, so that the generator's own work on a
/// batch counts as the server's, never the reverse.
struct LoadLoop: ~Copyable {
    private let connections: UnsafeMutablePointer<LoadConnection>
    private var connectionCount = 0
    private let epoll: CInt
    private let events: UnsafeMutablePointer<epoll_event>
    /// True if reads and writes may block: with one connection, without a schedule, and if all
    /// requests fit into the socket's buffer.
    private let blocks: Bool
    private let schedule: Schedule?
    private let firstConnection: Int
    private let connectionStride: Int

    private var template: RequestTemplate
    private var result = LoadResult()
    /// The number of calls that may still start.
    private var callsLeft = 0
    private var end = Int64.max
    private var inFlight = 0
    private var lastReply: Int64 = 0

    private static let eventsMax = 256
    /// The maximum time of one wait, in nanoseconds, so that the loop ends on time.
    private static let waitMax = MonotonicClock.second / 10
    /// The time, in nanoseconds, after which the loop stops waiting if no reply arrives.
    private static let silenceMax = 10 * MonotonicClock.second
    /// About a quarter of the kernel's default buffer size.
    private static let blockingBytesMax = 48 << 10

    /// Opens the connections.
    init(_ plan: LoadPlan, thread: Int) throws {
        template = RequestTemplate(
            plan.request,
            sessions: plan.sessions,
            firstRequest: plan.firstRequest,
            thread: thread
        )
        firstConnection = thread
        connectionStride = plan.threads
        let count = (plan.connections - thread + plan.threads - 1) / plan.threads
        schedule = plan.rate.map { Schedule(callsPerSecond: $0, connections: plan.connections) }
        blocks =
            count == 1 && schedule == nil
            && plan.inFlight * template.frameBytes <= Self.blockingBytesMax
        connections = .allocate(capacity: count)
        events = .allocate(capacity: Self.eventsMax)
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw BenchError("epoll_create1", errno: errno) }
        for index in 0..<count {
            let descriptor = try UnixSocket.connect(plan.socket)
            let connection = LoadConnection(
                descriptor: descriptor,
                inFlightMax: plan.inFlight,
                frameBytes: template.frameBytes
            )
            (connections + index).initialize(to: connection)
            connectionCount += 1
            if blocks {
                try Self.limitWaits(descriptor)
            } else {
                try watch(index, EPOLL_CTL_ADD)
            }
        }
    }

    deinit {
        connections.deinitialize(count: connectionCount)
        connections.deallocate()
        events.deallocate()
        close(epoll)
    }

    /// Makes calls until `end`, then waits for their replies, which count like all others.
    mutating func run(until end: Int64) throws -> LoadResult {
        try run(until: end, calls: .max)
    }

    /// Makes `calls` calls and waits for the replies.
    mutating func run(calls: Int) throws -> LoadResult {
        try run(until: .max, calls: calls)
    }

    private mutating func run(until end: Int64, calls: Int) throws -> LoadResult {
        result = LoadResult()
        callsLeft = calls
        self.end = end
        let begin = MonotonicClock.now
        lastReply = begin
        for index in 0..<connectionCount {
            if let schedule {
                let number = firstConnection + index * connectionStride
                connections[index].nextDue = begin + schedule.firstDue(connection: number)
            }
            try beginCalls(on: connections + index, index, begin)
        }
        var now = begin
        while !isDone(now) {
            now = blocks ? try waitBlocking() : try waitForAny(now)
            if now - lastReply > Self.silenceMax, inFlight > 0 { break }
        }
        result.unfinished = inFlight
        // A closed loop lasts until the last reply, so that a stall at its end is not overlooked.
        let isScheduled = schedule != nil && end != .max
        result.nanoseconds = max((isScheduled ? end : lastReply) - begin, 1)
        return result
    }

    private func isDone(_ now: Int64) -> Bool {
        if inFlight > 0 { return false }
        if callsLeft == 0 { return true }
        guard schedule != nil else { return now >= end }
        return (0..<connectionCount).allSatisfy { connections[$0].nextDue >= end }
    }

    /// Starts all calls that are possible and, in the open loop, due.
    @inline(__always)
    private mutating func beginCalls(
        on connection: UnsafeMutablePointer<LoadConnection>,
        _ index: Int,
        _ now: Int64
    ) throws {
        if let schedule {
            while callsLeft > 0, connection.pointee.nextDue <= now,
                connection.pointee.nextDue < end, connection.pointee.canBegin
            {
                connection.pointee.begin(at: connection.pointee.nextDue, &template)
                connection.pointee.nextDue += schedule.interval
                callsLeft -= 1
                inFlight += 1
            }
        } else if now < end {
            while callsLeft > 0, connection.pointee.canBegin {
                connection.pointee.begin(at: now, &template)
                callsLeft -= 1
                inFlight += 1
            }
        }
        let hadOutput = connection.pointee.hasOutput
        try connection.pointee.flush(flags: blocks ? 0 : CInt(MSG_DONTWAIT))
        if connection.pointee.hasOutput != hadOutput { try watch(index, EPOLL_CTL_MOD) }
    }

    /// Counts the replies that have been read.
    @inline(__always)
    private mutating func finishCalls(
        on connection: UnsafeMutablePointer<LoadConnection>,
        _ now: Int64
    ) throws {
        let before = connection.pointee.inFlight
        try connection.pointee.forEachReply { begin, statusCode in
            result.count(latency: now - begin, statusCode: statusCode)
        }
        inFlight -= before - connection.pointee.inFlight
        lastReply = now
    }

    private mutating func waitBlocking() throws -> Int64 {
        let hasInput = try connections.pointee.receive(flags: 0)
        let now = MonotonicClock.now
        if hasInput { try finishCalls(on: connections, now) }
        try beginCalls(on: connections, 0, now)
        return now
    }

    private mutating func waitForAny(_ before: Int64) throws -> Int64 {
        var timeout = timespec(nanoseconds: waitTime(before))
        let count = epoll_pwait2(epoll, events, CInt(Self.eventsMax), &timeout, nil)
        guard count >= 0 || errno == EINTR else { throw BenchError("epoll_pwait2", errno: errno) }
        var now = MonotonicClock.now
        for event in 0..<max(Int(count), 0) {
            let index = Int(events[event].data.u32)
            let connection = connections + index
            if try connection.pointee.receive(flags: CInt(MSG_DONTWAIT)) {
                now = MonotonicClock.now
                try finishCalls(on: connection, now)
            }
            try beginCalls(on: connection, index, now)
        }
        if schedule != nil {
            for index in 0..<connectionCount where connections[index].nextDue <= now {
                try beginCalls(on: connections + index, index, now)
            }
        }
        return now
    }

    /// Returns the time until the next call is due, in nanoseconds.
    private func waitTime(_ now: Int64) -> Int64 {
        guard schedule != nil else { return Self.waitMax }
        var due = now + Self.waitMax
        for index in 0..<connectionCount
        where connections[index].nextDue < end && connections[index].canBegin {
            due = min(due, connections[index].nextDue)
        }
        return max(due - MonotonicClock.now, 0)
    }

    private func watch(_ index: Int, _ operation: CInt) throws {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        if connections[index].hasOutput { event.events |= EPOLLOUT.rawValue }
        event.data.u32 = UInt32(index)
        guard epoll_ctl(epoll, operation, connections[index].descriptor, &event) == 0 else {
            throw BenchError("epoll_ctl", errno: errno)
        }
    }

    private static func limitWaits(_ descriptor: CInt) throws {
        var limit = timeval(tv_sec: 0, tv_usec: Int(waitMax / 1_000))
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size) == 0 else {
            throw BenchError("setsockopt", errno: errno)
        }
    }
}
