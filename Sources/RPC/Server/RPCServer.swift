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
    /// Decides by its peer whether a connection's calls are served: nil, or why not.
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
        /// How many of the entries are not served, and only wait to be told so.
        var refusedEntries = 0
        var isStopping = false
        /// How many connections were refused so far.
        var refusedConnections = 0
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let router: Router
    private let limits: RPCLimits
    private let admission: Admission
    private let logger: Logger
    private let loops: [EventLoop]
    private let instruments: RPCInstruments?

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - router: what is served.
    ///   - limits: of connections, calls and bytes.
    ///   - logger: told about refusals and troubles, never about contents.
    ///   - admission: asked once per connection; a refused one gets the status as the answer to its
    ///     first call and is closed.
    /// - Throws: an error if the process has no descriptor left.
    public init(
        router: Router,
        limits: RPCLimits = RPCLimits(),
        logger: Logger = Logger(label: "rpc"),
        admission: @escaping Admission = { _ in nil }
    ) throws {
        self.router = router
        self.limits = limits
        self.logger = logger
        self.admission = admission
        let instruments = RPCInstruments(router)
        self.instruments = instruments
        let count = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        loops = try (0..<count).map {
            try EventLoop(label: "rpc.loop.\($0)", limits: limits, instruments: instruments)
        }
    }

    /// Binds the socket and serves.
    ///
    /// - Throws: an error whose description names the path and what is wrong: the folder is missing,
    ///   another server serves there, something that is no socket is in the way.
    public func start(
        at address: UnixSocketAddress,
        permissions: SocketPermissions = SocketPermissions()
    ) throws {
        let file = try SocketFile(address, permissions)
        let listener = Listener(descriptor: file.descriptor, logger: logger) { [weak self] in
            if let self { accepted($0) } else { Glibc.close($0) }
        }
        state.withLock {
            $0.socketFile = file
            $0.listener = listener
        }
        listener.start()
    }

    /// Makes the folder of a conventional address, in which only the owner may write.
    ///
    /// Others may pass through it if the socket itself lets them in.
    public static func makeFolder(
        of address: UnixSocketAddress,
        permissions: SocketPermissions
    ) throws {
        try SocketFile.makePrivateFolder(
            address.folder,
            mode: permissions.mode & 0o077 == 0 ? 0o700 : 0o711
        )
    }

    /// How many connections are open.
    public var connectionCount: Int { state.withLock { $0.entries.count } }

    /// How many connections were refused so far, by the limit or by admission.
    public var refusedConnectionCount: Int { state.withLock { $0.refusedConnections } }

    /// Stops accepting, removes the socket, answers new calls with UNAVAILABLE, lets running calls
    /// finish until the grace time is over, and closes all connections.
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
        // The file goes first: who finds it is served or gets an answer.
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
            logger.warning(
                "refused a connection: \(refusal.message)",
                metadata: ["pid": "\(peer.pid)", "uid": "\(peer.uid)"]
            )
        }
        let channel = Channel(descriptor: descriptor, loop: loop, limits: limits)
        let connection = ServerConnection(
            channel: channel,
            peer: peer,
            router: router,
            limits: limits,
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

    /// Waits until every connection has no call left, or the time is over.
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

    /// Waits until every connection is closed, and closes them hard when the time is over.
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

/// Resumes a continuation the first time only.
private final class Once: Sendable {
    private let continuation: Mutex<CheckedContinuation<Void, Never>?>

    init(_ continuation: CheckedContinuation<Void, Never>) {
        self.continuation = Mutex(continuation)
    }

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
