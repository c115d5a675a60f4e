internal import CLinux
internal import Dispatch
internal import Glibc
package import Logging
internal import Synchronization

/// Serves the page with metrics by HTTP/1.1 to Prometheus: GET of `/metrics` and nothing else, one
/// request per connection.
///
/// The thread of one serial queue waits for all connections and makes the page: calls are answered
/// meanwhile, however long that takes.
///
///     let server = MetricsHTTPServer(listener: descriptor, timeout: .seconds(5), logger: logger) {
///         metrics.page
///     }
///     …
///     await server.stop()
package final class MetricsHTTPServer: Sendable {
    /// The path of the page.
    static let path = "/metrics"
    /// The limit of connections that are served at once; one more is closed.
    static let connectionsMax = 16
    /// The time for which no connection is accepted after the descriptors ran out.
    private static let acceptPause = Duration.milliseconds(100)

    private struct State {
        /// The descriptor of the listening socket.
        var listener: Int32
        /// The descriptor that takes its place.
        var next: Int32?
        var isStopping = false
    }

    private let queue = DispatchQueue(label: "feedbackd.metrics")
    private let state: Mutex<State>
    private let timeout: Duration
    private let logger: Logger
    private let page: @Sendable () -> String

    /// Serves until ``stop()``.
    ///
    /// - Parameters:
    ///   - listener: a listening, non-blocking socket, which the server owns from now on.
    ///   - timeout: the time that a request may take to arrive, and that the client may take to
    ///     read the response; the connection is closed after it.
    ///   - logger: the destination of warnings.
    ///   - page: makes the page, on the server's thread.
    package init(
        listener: Int32,
        timeout: Duration,
        logger: Logger,
        page: @escaping @Sendable () -> String
    ) {
        state = Mutex(State(listener: listener))
        self.timeout = timeout
        self.logger = logger
        self.page = page
        queue.async { self.run() }
    }

    /// Stops listening, closes all connections, and returns when no page is being made any more.
    package func stop() async {
        state.withLock { state in
            if !state.isStopping { Self.wake(state) }
            state.isStopping = true
        }
        await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
    }

    /// Listens on another socket, which the server owns from now on, in place of the present one.
    package func listen(on descriptor: Int32) {
        let unused = state.withLock { state -> Int32? in
            if state.isStopping { return descriptor }
            defer { state.next = descriptor }
            Self.wake(state)
            return state.next
        }
        if let unused { close(unused) }
    }

    /// Shuts the listener down, which ends the thread's wait for it; the thread closes it.
    private static func wake(_ state: State) { shutdown(state.listener, Int32(SHUT_RDWR)) }

    /// Returns the listener, after a change to the next one; nil if the server is to stop.
    private func presentListener() -> Int32? {
        state.withLock { state in
            if let next = state.next {
                close(state.listener)
                state.listener = next
                state.next = nil
            }
            if state.isStopping { close(state.listener) }
            return state.isStopping ? nil : state.listener
        }
    }

    private func run() {
        var connections: [MetricsConnection] = []
        var pauseEnd: ContinuousClock.Instant?
        while let listener = presentListener() {
            var polled = [
                pollfd(fd: listener, events: pauseEnd == nil ? Int16(POLLIN) : 0, revents: 0)
            ]
            polled += connections.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            let deadline = (connections.map(\.deadline) + (pauseEnd.map { [$0] } ?? [])).min()
            // A wait that a signal ends is repeated, as no event is reported then.
            poll(&polled, nfds_t(polled.count), Self.milliseconds(until: deadline))

            let now = ContinuousClock.now
            if let end = pauseEnd, end <= now { pauseEnd = nil }
            var remaining: [MetricsConnection] = []
            for (index, event) in polled.dropFirst().enumerated() {
                var connection = connections[index]
                let isOpen = event.revents == 0 || connection.advance(page)
                // Bytes that arrived in time were read above, even if another page took long.
                if isOpen, connection.deadline > now {
                    remaining.append(connection)
                } else {
                    close(connection.descriptor)
                }
            }
            connections = remaining
            if polled[0].revents != 0 { pauseEnd = accept(listener, into: &connections) }
        }
        for connection in connections { close(connection.descriptor) }
    }

    /// Accepts one connection; returns the time until which no further one is accepted.
    private func accept(
        _ listener: Int32,
        into connections: inout [MetricsConnection]
    ) -> ContinuousClock.Instant? {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = accept4(listener, nil, nil, flags)
        if descriptor >= 0 {
            if connections.count < Self.connectionsMax {
                connections.append(MetricsConnection(descriptor, timeout: timeout))
            } else {
                close(descriptor)
            }
            return nil
        }
        // After any other error the next wait tells whether there is a connection to accept.
        let number = errno
        guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number) else { return nil }
        let reason = String(cString: strerror(number))
        logger.warning("cannot accept connections: \(reason): waiting for others to end")
        return .now + Self.acceptPause
    }

    /// Returns the time until the deadline as poll(2) takes it, rounded up, an hour at most; -1 if
    /// there is no deadline.
    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let time = min(max(.zero, deadline - .now), .seconds(3_600)).components
        return Int32(time.seconds * 1_000 + time.attoseconds / 1_000_000_000_000_000 + 1)
    }
}

/// One connection: the head of a request comes in, the response goes out, and the client closes.
private struct MetricsConnection {
    private enum State {
        case reading(HTTPRequestHead)
        case writing(ArraySlice<UInt8>)
        /// The response is sent. Input is dropped until the client has closed, as the client could
        /// lose the response if the server closed with input unread.
        case ending
    }

    let descriptor: Int32
    /// The time at which the connection is to be closed, whatever its state.
    private(set) var deadline: ContinuousClock.Instant
    private let timeout: Duration
    private var state = State.reading(HTTPRequestHead())

    init(_ descriptor: Int32, timeout: Duration) {
        self.descriptor = descriptor
        self.timeout = timeout
        deadline = .now + timeout
    }

    /// The events to wait for, as poll(2) takes them.
    var events: Int16 {
        if case .writing = state { Int16(POLLOUT) } else { Int16(POLLIN) }
    }

    /// Does what is possible after an event; returns false if the connection is to be closed.
    mutating func advance(_ page: () -> String) -> Bool {
        switch state {
        case .reading(var head):
            guard let bytes = receive() else { return true }
            if bytes.isEmpty { return false }
            let response: HTTPResponse
            switch head.append(bytes) {
            case .incomplete:
                state = .reading(head)
                return true
            case .complete:
                response = .response(to: head, path: MetricsHTTPServer.path, page: page)
            case .tooLong: response = .headIsTooLong
            }
            deadline = .now + timeout
            return write(response.bytes[...])
        case .writing(let rest): return write(rest)
        case .ending: return receive()?.isEmpty != true
        }
    }

    /// Returns bytes that have arrived, or nil if there are none at present; no bytes if the client
    /// has ended its output or is gone.
    private func receive() -> [UInt8]? {
        let size = HTTPRequestHead.bytesMax + 1
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) { buffer in
            while true {
                let count = recv(descriptor, buffer.baseAddress, size, 0)
                if count >= 0 { return Array(buffer[..<count]) }
                if errno == EAGAIN { return nil }
                if errno != EINTR { return [] }
            }
        }
    }

    /// Sends as much as the socket takes; returns false if the client is gone.
    private mutating func write(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            // MSG_NOSIGNAL: a client that is gone is an error here, not a signal.
            let count = rest.withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                state = .writing(rest)
                return true
            } else if errno != EINTR {
                return false
            }
        }
        shutdown(descriptor, Int32(SHUT_WR))
        state = .ending
        deadline = .now + timeout
        return true
    }
}
