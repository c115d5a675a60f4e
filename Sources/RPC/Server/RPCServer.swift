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

    private struct Connection {
        var connection: ServerConnection
        var loop: EventLoop
    }

    private struct State {
        var listener: Listener?
        var socketFile: SocketFile?
        var connections: ConnectionTable<Connection>
        var nextID = 0
        var isStopping = false
        /// The number of connections that have been refused so far.
        var refusedConnections = 0
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>
    private let router: Router
    private let limits: RPCLimits
    private let admission: Admission
    private let logger: Logger
    private let refusals: LogLimiter
    private let loops: [EventLoop]
    private let memory: PeerMemory
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
        memory = PeerMemory(bytesMax: limits.peerBytesMax)
        state = Mutex(
            State(
                connections: ConnectionTable(
                    connectionsMax: limits.connectionsMax,
                    refusalsMax: limits.refusalsMax
                )
            )
        )
        let instruments = RPCInstruments(router, prefix: metricsPrefix)
        self.instruments = instruments
        let count = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        loops = try (0..<count).map {
            try EventLoop(label: "rpc.loop.\($0)", limits: limits, instruments: instruments)
        }
    }

    /// Binds the socket and serves it.
    ///
    /// If its file is removed, it is made again within two seconds. The soft limit of the process's
    /// descriptors is raised if the connections need it; if the hard limit is too low, fewer
    /// connections than ``RPCLimits/connectionsMax`` are served.
    ///
    /// - Parameters:
    ///   - address: the path of the socket.
    ///   - permissions: the permissions of its file.
    ///   - makesFolder: true to make the socket's folder, to which only the owner may write.
    /// - Throws: an error whose description names the path and the problem: the folder is missing,
    ///   or does not belong to this user alone, another server serves the path, a file that is not a
    ///   socket is in the way; or no descriptor is left for connections.
    public func start(
        at address: UnixSocketAddress,
        permissions: SocketPermissions = SocketPermissions(),
        makesFolder: Bool = false
    ) throws {
        let descriptors = try DescriptorLimit(for: limits)
        if descriptors.connectionsMax < limits.connectionsMax {
            logger.warning(
                """
                the process may have \(descriptors.descriptorsMax) open files: \
                \(descriptors.connectionsMax) connections are served at once instead of \
                \(limits.connectionsMax)
                """
            )
        }
        let file = try SocketFile(address, permissions, makesFolder: makesFolder)
        state.withLock {
            $0.socketFile = file
            $0.connections = ConnectionTable(
                connectionsMax: descriptors.connectionsMax,
                refusalsMax: descriptors.refusalsMax
            )
        }
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
    public var connectionCount: Int { state.withLock { $0.connections.count } }

    /// The number of connections that have been refused so far, because of the limit or by
    /// admission.
    public var refusedConnectionCount: Int { state.withLock { $0.refusedConnections } }

    /// The memory that peers have in the server, in bytes, as far as it is counted.
    var peerBytes: Int { memory.bytes }

    /// Stops the server: removes the socket, accepts no more connections, lets running calls finish
    /// within the grace time, and closes all connections.
    ///
    /// Streaming calls and new calls end with UNAVAILABLE at once; gRPC clients may begin unary
    /// calls until they know of the shutdown. After the grace time, peers have half a second to
    /// take the output that waits.
    public func stop(within grace: Duration) async {
        let (listener, file, connections) = state.withLock { state in
            state.isStopping = true
            defer {
                state.listener = nil
                state.socketFile = nil
            }
            return (state.listener, state.socketFile, state.connections.connections)
        }
        // The file is removed first, so that no client finds a socket on which nothing is accepted
        // any more.
        file?.remove()
        listener?.stop()
        await drained(connections, within: grace)
        for entry in state.withLock({ $0.connections.connections }) {
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
        var refusal = admission(peer)
        instruments?.acceptedConnections.increment()
        if refusal != nil { instruments?.connectionsNotAllowed.increment() }
        let place = state.withLock { state -> (loop: EventLoop, id: Int)? in
            if refusal == nil {
                refusal = state.connections.refusal(for: peer.uid)
                if refusal != nil { instruments?.connectionsOverLimit.increment() }
            }
            if refusal != nil {
                state.refusedConnections += 1
                if state.connections.isFull { return nil }
            }
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
        guard let place else {
            Glibc.close(descriptor)
            return
        }
        let connection = ServerConnection(
            channel: Channel(
                descriptor: descriptor,
                loop: place.loop,
                memory: ConnectionMemory(memory, uid: peer.uid)
            ),
            peer: peer,
            router: router,
            refusal: refusal,
            logger: logger,
            instruments: instruments
        ) { [weak self] in self?.closed(place.id) }
        let (ending, isStopping) = state.withLock { state in
            let ending = state.connections.add(
                .init(
                    connection: Connection(connection: connection, loop: place.loop),
                    uid: peer.uid,
                    isRefused: refusal != nil
                ),
                as: place.id
            )
            instruments?.openConnections.set(state.connections.count)
            return (ending, state.isStopping)
        }
        place.loop.submit {
            connection.start()
            if isStopping { connection.close() }
        }
        if let ending { ending.loop.submit { ending.connection.close() } }
    }

    private func closed(_ id: Int) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.connections.remove(id)
            instruments?.openConnections.set(state.connections.count)
            guard state.connections.count == 0 else { return [] }
            defer { state.closeWaiters = [] }
            return state.closeWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: - Stopping

    /// Waits until no connection has a call left, or the grace time is over.
    private func drained(_ entries: [Connection], within grace: Duration) async {
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
            for entry in self.state.withLock({ $0.connections.connections }) {
                entry.loop.submit { [connection = entry.connection] in
                    connection.close()
                }
            }
        }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isDone = state.withLock { state in
                if state.connections.count == 0 { return true }
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
