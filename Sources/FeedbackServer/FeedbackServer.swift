internal import CoreMetrics
internal import Glibc
public import Logging
internal import MongoStore
public import PrometheusMetrics
internal import RPC
internal import SQLiteStore
internal import Synchronization

/// The daemon as a library: a store, the service with its hooks, and the socket.
///
///     var configuration = ServerConfiguration()
///     configuration.store = .sqlite(path: "/srv/feedback.db")
///     try await FeedbackServer(configuration: configuration, hooks: [MyHook()]).run()
public final class FeedbackServer: Sendable {
    /// The path of the socket on which the server listens.
    public let socketPath: String
    /// The location of the store.
    public let storeLocation: StoreLocation
    /// The service, for calls from within the process.
    public let service: FeedbackService
    /// The destinations that are told of changes.
    public let destinations: Destinations

    private let configuration: ServerConfiguration
    private let address: UnixSocketAddress
    private let store: any Store
    private let storeFailure: StoreFailure
    private let rpc: RPCServer
    /// The metrics of the process; nil if there is no page.
    private let metrics: PrometheusMetrics?
    /// The page while the server runs.
    private let metricsPage = Mutex<MetricsPage?>(nil)
    private let logger: Logger
    private let isStopping = Atomic(false)

    /// The time that running deliveries are given after the last call; those that do not end are
    /// repeated after the next start.
    private static let deliveryTimeout = Duration.seconds(2)
    /// The time that the store is given to close after the last call.
    private static let storeCloseTimeout = Duration.seconds(5)
    /// The time for which health reports NOT_SERVING before the server ends because its store has
    /// stopped for good; watchers of the health are informed twice a second.
    private static let failureNotice = Duration.seconds(1)

    /// Opens the store; the socket is created by ``start()``.
    ///
    /// - Parameters:
    ///   - configuration: the settings of the server.
    ///   - hooks: the hooks around every change, the first outermost.
    ///   - destinations: the destinations that are told of changes, with different names.
    ///   - logger: the destination of log messages.
    /// - Throws: an error whose description is one clear line for people.
    public convenience init(
        configuration: ServerConfiguration = ServerConfiguration(),
        hooks: [any FeedbackHook] = [],
        destinations: [any Destination] = [],
        logger: Logger = Logger(label: "feedbackd")
    ) throws {
        // A write beyond the limit on file sizes (ulimit -f) must fail and not end the process. A
        // command of a hook gets the default back, which it would not if the signal were ignored.
        signal(SIGXFSZ) { _ in }
        let storeFailure = StoreFailure()
        let (location, store) = try Self.naming("store") {
            let location = try configuration.store ?? .defaultLocation()
            return (location, try Self.openStore(location, configuration, storeFailure, logger))
        }
        try self.init(
            configuration: configuration,
            store: store,
            location: location,
            storeFailure: storeFailure,
            hooks: hooks,
            destinations: destinations,
            logger: logger
        )
    }

    /// Makes a server for a store that is open.
    package init(
        configuration: ServerConfiguration,
        store: any Store,
        location: StoreLocation,
        storeFailure: StoreFailure = StoreFailure(),
        hooks: [any FeedbackHook] = [],
        destinations: [any Destination] = [],
        logger: Logger
    ) throws {
        self.configuration = configuration
        self.store = store
        self.storeFailure = storeFailure
        self.logger = logger
        storeLocation = location
        address = try Self.naming("socket") {
            try configuration.socketPath.map { try UnixSocketAddress(path: $0) }
                ?? .defaultAddress(program: "feedbackd")
        }
        socketPath = address.path
        try Self.openJournal(of: store, configuration, for: destinations)
        self.destinations = try Destinations(destinations, store: store)
        service = FeedbackService(
            store: store,
            hooks: hooks,
            missingSession: configuration.missingSession,
            storeName: location.description
        )
        service.deliveryEngine = self.destinations
        metrics = try configuration.metricsListen.map { _ in try MetricsPage.collectedMetrics() }
        let allowed = configuration.allowedUIDs
        rpc = try RPCServer(
            router: ServiceBinding.router(
                for: service,
                admins: AdminAccess(configuration.adminUIDs),
                logger: logger
            ),
            limits: configuration.rpcLimits,
            metricsPrefix: MetricsPage.prefix,
            logger: logger,
            admission: { peer in
                if allowed?.contains(peer.uid) ?? true { return nil }
                return CallError(.permissionDenied, "user id \(peer.uid) is not allowed here")
            }
        )
    }

    /// Installs the metrics system that collects the metrics of this process for the page of
    /// ``ServerConfiguration/metricsListen``.
    ///
    /// It must be called once, before hooks and servers are made: the metrics of those that exist
    /// already are not collected. A program that bootstraps swift-metrics itself must not call it.
    ///
    /// - Parameter help: the lines for people about metrics of the program's own, by their names.
    public static func collectMetrics(help: [String: String] = [:]) {
        MetricsSystem.bootstrap(MetricsPage.makeMetrics(help: help))
    }

    /// The address of the page with metrics, with its port if any free one was asked for; nil if
    /// there is no page.
    public var metricsAddress: MetricsAddress? { metricsPage.withLock { $0?.address } }

    /// Creates the sockets and starts serving.
    ///
    /// - Throws: an error whose description is one clear line for people.
    public func start() throws {
        var permissions = SocketPermissions(mode: configuration.socketMode)
        if let name = configuration.socketGroup { permissions.groupID = try Self.groupID(name) }
        // Their cursors are made before there is anything to be told of.
        destinations.start()
        try Self.naming("socket") {
            try rpc.start(
                at: address,
                permissions: permissions,
                makesFolder: configuration.socketPath == nil
            )
        }
        if let metrics, let address = configuration.metricsListen {
            let page = try Self.naming("metrics_listen") {
                try MetricsPage(
                    at: address,
                    permissions: permissions,
                    timeout: configuration.handshakeTimeout,
                    logger: logger,
                    metrics: metrics
                )
            }
            metricsPage.withLock { $0 = page }
        }
    }

    /// Stops accepting connections, lets running calls finish within the drain timeout, and closes
    /// the store.
    ///
    /// - Throws: DEADLINE_EXCEEDED if the store did not close in time: writes that were not
    ///   acknowledged may or may not be stored.
    public func stop() async throws {
        isStopping.store(true, ordering: .releasing)
        await rpc.stop(within: configuration.drainTimeout)
        let (destinations, store) = (destinations, store)
        _ = await finishes(within: Self.deliveryTimeout) { await destinations.stop() }
        let page = metricsPage.withLock { page in
            defer { page = nil }
            return page
        }
        await page?.stop()
        let isClosed = await finishes(within: Self.storeCloseTimeout) { await store.close() }
        if !isClosed {
            throw CallError(.deadlineExceeded, "the store did not close in time")
        }
    }

    /// Replaces the hooks and destinations while calls run.
    ///
    /// Calls that have begun continue with the hooks with which they began; destinations of the same
    /// name go on where the former stood. The method must not be called again before it has returned.
    ///
    /// - Parameters:
    ///   - hooks: the new hooks.
    ///   - destinations: the new destinations.
    /// - Throws: an error whose description is one clear line for people, if the store cannot serve
    ///   the destinations, or if the server is being stopped; the present hooks and destinations are
    ///   then kept.
    public func replaceHooks(
        _ hooks: [any FeedbackHook],
        destinations: [any Destination] = []
    ) async throws {
        guard !isStopping.load(ordering: .acquiring) else {
            throw CallError(.failedPrecondition, "the server is being stopped")
        }
        try self.destinations.check(destinations)
        try Self.openJournal(of: store, configuration, for: destinations)
        service.replaceHooks(hooks)
        try await self.destinations.replace(destinations)
    }

    /// Serves until SIGTERM or SIGINT, or until the store has stopped for good, then stops.
    ///
    /// - Parameters:
    ///   - onReady: called when the server listens.
    ///   - onHangup: called on SIGHUP, for instance to read the configuration again and call
    ///     ``replaceHooks(_:destinations:)``; called once more for all SIGHUPs that arrive meanwhile. A stop
    ///     cancels its task and does not wait for it. If it is nil, SIGHUP ends the process.
    /// - Throws: the errors of ``start()`` and ``stop()``, or the error that stopped the store:
    ///   after it, only a new start can tell which data is on the disk.
    public func run(
        onReady: () -> Void = {},
        onHangup: (@Sendable () async -> Void)? = nil
    ) async throws {
        // A closed reader of the log output must not end the server.
        signal(SIGPIPE, SIG_IGN)
        let signals = ServerSignals(hangups: onHangup != nil)
        do {
            try start()
        } catch {
            try? await stop()
            throw error
        }
        onReady()
        storeFailure.whenReported { signals.stop("the store's failure") }
        let (hangups, hangup) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        // A task of its own, since the hooks that are replaced may take long to stop.
        let handlingHangups = Task { for await _ in hangups { await onHangup?() } }
        while true {
            switch await signals.next() {
            case .hangup: hangup.yield()
            case .stop(let name):
                handlingHangups.cancel()
                logger.info("stopping on \(name)")
                if storeFailure.error != nil { try? await Task.sleep(for: Self.failureNotice) }
                try await stop()
                if let error = storeFailure.error { throw error }
                return
            }
        }
    }

    /// Runs the work; the message of an error begins with the name of the setting that decides on
    /// the place of what fails.
    private static func naming<Value>(
        _ setting: String,
        _ work: () throws -> Value
    ) throws -> Value {
        do {
            return try work()
        } catch {
            guard var error = error as? CallError else {
                throw CallError(.failedPrecondition, "\(setting): \(error)", cause: error)
            }
            error.message = "\(setting): \(error.message)"
            throw error
        }
    }

    private static func openStore(
        _ location: StoreLocation,
        _ configuration: ServerConfiguration,
        _ failure: StoreFailure,
        _ logger: Logger
    ) throws -> any Store {
        switch location {
        case .memory: return MemoryStore()
        case .sqlite(let path):
            var limits = SQLiteStoreLimits()
            limits.writes = configuration.writeLimits
            return try SQLiteStore(path: path, limits: limits, logger: logger) {
                failure.report($0)
            }
        case .mongodb(let uri):
            let store = try MongoStore(
                uri: uri,
                database: configuration.mongoDatabase,
                collection: configuration.mongoCollection,
                limits: MongoStoreLimits(writes: configuration.writeLimits),
                logger: logger
            )
            var limits = JournaledStore.Limits()
            limits.bytesMax = configuration.journalBytesMax
            limits.keep = configuration.journalKeep
            let file = configuration.alertsFile
            return JournaledStore(
                JournaledStore.Other(
                    store,
                    find: { try await store.isStored($0, context: $1) },
                    replicate: { await store.replicate($0) }
                ),
                acknowledgement: configuration.acknowledgement,
                limits: limits,
                logger: logger,
                onStop: { failure.report($0) },
                path: { try file ?? "\(StoreLocation.defaultFolder())/alerts.db" }
            )
        }
    }

    /// Opens the journal beside MongoDB if it is needed, or if a former start has left one, with
    /// changes that may wait.
    private static func openJournal(
        of store: any Store,
        _ configuration: ServerConfiguration,
        for destinations: [any Destination]
    ) throws {
        guard let store = store as? JournaledStore else { return }
        let isLocal = configuration.acknowledgement == .local
        guard !isLocal || configuration.missingSession == .create else {
            throw CallError(
                .failedPrecondition,
                "acknowledge: local needs missing_session: create, since MongoDB may be away"
            )
        }
        try naming("alerts_file") {
            guard isLocal || !destinations.isEmpty || store.hasFile else { return }
            try store.open(followers: Set(destinations.map(\.name)))
        }
    }

    private static func groupID(_ name: String) throws -> UInt32 {
        guard let group = getgrnam(name) else {
            throw CallError(.invalidArgument, "there is no group named \(name)")
        }
        return group.pointee.gr_gid
    }
}
