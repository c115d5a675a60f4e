public import CallStatus
internal import CoreMetrics
internal import Dispatch
internal import Glibc
public import Logging
internal import Synchronization

/// Serves a router's methods on a Unix domain socket.
///
///     let server = try RPCServer(router: router)
///     try server.start(at: UnixSocketAddress(path: "/run/demo/demo.sock"))
///     …
///     await server.stop(within: .seconds(10))
public final class RPCServer: Sendable {
    /// Decides by the credentials of its peer whether a connection is served.
    ///
    /// It runs on the listener's queue. It returns nil for a connection that is served, else the
    /// status that answers its first call.
    public typealias Admission = @Sendable (PeerCredentials) -> CallError?

    private struct Entry {
        var connection: ServerConnection
        var loop: EventLoop
        var isRefused: Bool
    }

    private struct State {
        var listener: Listener?
        var socketFile: SocketFile?
        var entries: [Int: Entry] = [:]
        var nextID = 0
        /// The number of entries that are not served, and stay only until their peer has the
        /// reason.
        var refusedEntries = 0
        var isStopping = false
        /// The number of connections that have been refused so far.
        var refusedConnections = 0
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let router: Router
    private let limits: RPCLimits
    private let admission: Admission
    private let logger: Logger
    private let refusals: LogLimiter
    private let loops: [EventLoop]
    private let instruments: RPCInstruments?

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - router: the methods that are served.
    ///   - limits: the limits of connections, calls and bytes.
    ///   - metricsPrefix: the beginning of the names of all metrics; see ``RPCInstrument``.
    ///   - logger: receives refusals and failures, never the contents of calls.
    ///   - admission: runs once per connection. A refused connection gets the status as the answer
    ///     to its first call and is closed.
    /// - Throws: an error if the process has no descriptor left.
    public init(
        router: Router,
        limits: RPCLimits = RPCLimits(),
        metricsPrefix: String = "",
        logger: Logger = Logger(label: "rpc"),
        admission: @escaping Admission = { _ in nil }
    ) throws {
        self.router = router
        self.limits = limits
        self.logger = logger
        refusals = LogLimiter(logger)
        self.admission = admission
        let instruments = RPCInstruments(router, prefix: metricsPrefix)
        self.instruments = instruments
        let count = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        loops = try (0..<count).map {
            try EventLoop(label: "rpc.loop.\($0)", limits: limits, instruments: instruments)
        }
    }

    /// Binds the socket and serves it.
    ///
    /// If its file is removed, it is made again within two seconds.
    ///
    /// - Parameters:
    ///   - address: the path of the socket.
    ///   - permissions: the permissions of its file.
    ///   - makesFolder: true to make the socket's folder, to which only the owner may write.
    /// - Throws: an error whose description names the path and the problem: the folder is missing,
    ///   or does not belong to this user alone, another server serves the path, a file that is not a
    ///   socket is in the way.
    public func start(
        at address: UnixSocketAddress,
        permissions: SocketPermissions = SocketPermissions(),
        makesFolder: Bool = false
    ) throws {
        let file = try SocketFile(address, permissions, makesFolder: makesFolder)
        state.withLock { $0.socketFile = file }
        listen(on: file.descriptor)
        file.watch(logger) { [weak self] in
            if let self { listen(on: $0) } else { Glibc.close($0) }
        }
    }

    /// Accepts connections on the descriptor, and no longer on a former one.
    private func listen(on descriptor: Int32) {
        let listener = Listener(descriptor: descriptor, logger: logger) { [weak self] in
            if let self { accepted($0) } else { Glibc.close($0) }
        }
        listener.start()
        let former = state.withLock { state -> Listener? in
            if state.isStopping { return listener }
            defer { state.listener = listener }
            return state.listener
        }
        former?.stop(acceptsBacklog: true)
    }

    /// The number of open connections, with those that are refused.
    public var connectionCount: Int { state.withLock { $0.entries.count } }

    /// The number of connections that have been refused so far, because of the limit or by
    /// admission.
    public var refusedConnectionCount: Int { state.withLock { $0.refusedConnections } }

    /// Stops the server: removes the socket, accepts no more connections, lets running calls finish
    /// within the grace time, and closes all connections.
    ///
    /// Streaming calls and new calls end with UNAVAILABLE at once; gRPC clients may begin unary
    /// calls until they know of the shutdown. After the grace time, peers have half a second to
    /// take the output that waits.
    public func stop(within grace: Duration) async {
        let (listener, file, entries) = state.withLock { state in
            state.isStopping = true
            defer {
                state.listener = nil
                state.socketFile = nil
            }
            return (
                state.listener, state.socketFile, Array(state.entries.values)
            )
        }
        // The file is removed first, so that no client finds a socket on which nothing is accepted
        // any more.
        file?.remove()
        listener?.stop()
        await drained(entries, within: grace)
        for entry in state.withLock({ Array($0.entries.values) }) {
            entry.loop.submit { [connection = entry.connection] in
                connection.closeAfterFlush()
            }
        }
        await allClosed(within: .milliseconds(500))
    }

    // MARK: - Connections

    private func accepted(_ descriptor: Int32) {
        guard let peer = PeerCredentials(ofPeerAt: descriptor) else {
            Glibc.close(descriptor)
            return
        }
        let loop: EventLoop
        let id: Int
        var refusal = admission(peer)
        instruments?.acceptedConnections.increment()
        if refusal != nil { instruments?.connectionsNotAllowed.increment() }
        (loop, id) = state.withLock { state in
            let served = state.entries.count - state.refusedEntries
            if served >= limits.connectionsMax, refusal == nil {
                refusal = CallError(
                    .resourceExhausted,
                    "the server has its \(limits.connectionsMax) connections: try again later"
                )
                instruments?.connectionsOverLimit.increment()
            }
            if refusal != nil { state.refusedConnections += 1 }
            state.nextID += 1
            return (loops[state.nextID % loops.count], state.nextID)
        }
        if let refusal {
            refusals.log(
                .warning,
                "connections refused with \(refusal.code.name)",
                "refused a connection: \(refusal.message)",
                metadata: ["pid": "\(peer.pid)", "uid": "\(peer.uid)"]
            )
        }
        let channel = Channel(descriptor: descriptor, loop: loop)
        let connection = ServerConnection(
            channel: channel,
            peer: peer,
            router: router,
            refusal: refusal,
            logger: logger,
            instruments: instruments
        ) { [weak self] in self?.closed(id) }
        let isTooMany = state.withLock { state in
            state.entries[id] = Entry(
                connection: connection,
                loop: loop,
                isRefused: refusal != nil
            )
            if refusal != nil { state.refusedEntries += 1 }
            instruments?.openConnections.set(state.entries.count)
            return state.isStopping
                || (refusal != nil && state.refusedEntries > limits.refusalsMax)
        }
        loop.submit { [connection] in
            connection.start()
            if isTooMany { connection.close() }
        }
    }

    private func closed(_ id: Int) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            if state.entries.removeValue(forKey: id)?.isRefused == true {
                state.refusedEntries -= 1
            }
            instruments?.openConnections.set(state.entries.count)
            guard state.entries.isEmpty else { return [] }
            defer { state.closeWaiters = [] }
            return state.closeWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: - Stopping

    /// Waits until no connection has a call left, or the grace time is over.
    private func drained(_ entries: [Entry], within grace: Duration) async {
        guard !entries.isEmpty else { return }
        let group = DispatchGroup()
        for entry in entries {
            group.enter()
            entry.loop.submit { [connection = entry.connection] in
                connection.drain { group.leave() }
            }
        }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let waiter = Once(continuation)
            group.notify(queue: .global()) { waiter.resume() }
            let seconds = Double(grace.nanoseconds) / 1e9
            DispatchQueue.global().asyncAfter(deadline: .now() + seconds) {
                if waiter.resume() {
                    self.logger.warning("calls were still running when the grace time was over")
                }
            }
        }
    }

    /// Waits until every connection is closed, and closes those that are left when the time is
    /// over.
    private func allClosed(within grace: Duration) async {
        let seconds = Double(grace.nanoseconds) / 1e9
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) {
            for entry in self.state.withLock({ Array($0.entries.values) }) {
                entry.loop.submit { [connection = entry.connection] in
                    connection.close()
                }
            }
        }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isDone = state.withLock { state in
                if state.entries.isEmpty { return true }
                state.closeWaiters.append(continuation)
                return false
            }
            if isDone { continuation.resume() }
        }
    }
}

/// Resumes a continuation once, however often it is called.
private final class Once: Sendable {
    private let continuation: Mutex<CheckedContinuation<Void, Never>?>

    init(_ continuation: CheckedContinuation<Void, Never>) {
        self.continuation = Mutex(continuation)
    }

    /// Returns true if this call has resumed the continuation.
    @discardableResult
    func resume() -> Bool {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume()
        return waiting != nil
    }
}
