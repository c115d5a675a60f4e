internal import Glibc
public import Logging
internal import Synchronization

/// Serves one page by HTTP/1.1 (RFC 9112) to programs of the same host: GET and nothing else, one
/// request per connection.
///
/// It has an event loop of its own: however long the page takes, calls go on.
public final class PageServer: Sendable {
    private struct State {
        var address: PageAddress?
        var listener: Listener?
        var file: SocketFile?
    }

    /// How many connections are served at once; one more is closed.
    static let connectionsMax = 16
    /// How long a request's line and header may be, in bytes.
    static let headBytesMax = 8 << 10

    private let state = Mutex(State())
    private let loop: EventLoop
    private let limits: RPCLimits
    private let logger: Logger
    private let connections = Connections()
    private let answer: PageAnswer

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - path: where the page is; everything else is 404.
    ///   - contentType: its media type.
    ///   - limits: its handshake timeout is how long a request may take to arrive.
    ///   - logger: told about troubles.
    ///   - page: makes the page, on a thread of the server's.
    /// - Throws: an error if the process has no descriptor left.
    public init(
        path: String,
        contentType: String,
        limits: RPCLimits = RPCLimits(),
        logger: Logger,
        page: @escaping @Sendable () -> String
    ) throws {
        self.limits = limits
        self.logger = logger
        answer = PageAnswer(path: path, contentType: contentType, page: page)
        loop = try EventLoop(label: "page.loop", limits: limits)
    }

    /// Listens.
    ///
    /// - Throws: an error whose description names the address and what is wrong.
    public func start(
        at address: PageAddress,
        permissions: SocketPermissions = SocketPermissions()
    ) throws {
        let descriptor: Int32
        var file: SocketFile?
        var bound = address
        switch address {
        case .unix(let path):
            let made = try SocketFile(path, permissions)
            file = made
            descriptor = made.descriptor
        case .loopback(let host, let port):
            let listening = try PageAddress.listen(host: host, port: port)
            descriptor = listening.descriptor
            bound = .loopback(host: host, port: listening.port)
        }
        let listener = Listener(descriptor: descriptor, logger: logger) { [weak self] connection in
            if let self { accepted(connection) } else { Glibc.close(connection) }
        }
        state.withLock { $0 = State(address: bound, listener: listener, file: file) }
        listener.start()
    }

    /// Where it listens, with the port that was free if none was named; nil if it does not.
    public var address: PageAddress? { state.withLock { $0.address } }

    /// Stops listening, removes the socket's file and closes all connections.
    public func stop() async {
        let state = self.state.withLock { state in
            defer { state = State() }
            return state
        }
        state.file?.remove()
        state.listener?.stop()
        await withCheckedContinuation { continuation in
            loop.submit { [connections] in
                for connection in Array(connections.open.values) { connection.close() }
                continuation.resume()
            }
        }
    }

    private func accepted(_ descriptor: Int32) {
        loop.submit { [self] in
            guard connections.open.count < Self.connectionsMax else {
                Glibc.close(descriptor)
                return
            }
            let channel = Channel(descriptor: descriptor, loop: loop, limits: limits)
            let connection = PageConnection(channel, answer) { [connections] in
                connections.open[descriptor] = nil
            }
            connections.open[descriptor] = connection
            channel.start(delegate: connection)
            channel.wake(at: .now + limits.handshakeTimeout)
        }
    }
}

private final class Connections: @unchecked Sendable {
    // Unchecked: used on the loop's queue only.
    var open: [Int32: PageConnection] = [:]
}

/// One connection: a request in, a response out, the end.
private final class PageConnection: ChannelDelegate {
    private let channel: Channel
    private let answer: PageAnswer
    private let onClose: () -> Void
    private var head: [UInt8] = []

    init(_ channel: Channel, _ answer: PageAnswer, onClose: @escaping () -> Void) {
        self.channel = channel
        self.answer = answer
        self.onClose = onClose
    }

    func close() { channel.close() }

    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer) {
        head += bytes.prefix(PageServer.headBytesMax + 1 - head.count)
        let end: [UInt8] = [13, 10, 13, 10]
        let isWhole = head.indices.dropLast(3).contains { head[$0..<$0 + 4].elementsEqual(end) }
        if isWhole {
            send(answer.response(to: head))
        } else if head.count > PageServer.headBytesMax {
            send(answer.headIsTooLong)
        }
    }

    private func send(_ response: String) {
        var response = response
        response.withUTF8 { text in
            channel.write(text.count) { start in
                UnsafeMutableRawBufferPointer(start: start, count: text.count)
                    .copyMemory(from: UnsafeRawBufferPointer(text))
            }
        }
        channel.closeAfterFlush()
    }

    func channelInputEnded(_ channel: Channel) { channel.close() }
    func channelWoke(_ channel: Channel) { channel.close() }
    func channelHasRoom(_ channel: Channel) {}
    func channelClosed(_ channel: Channel) { onClose() }
}

/// What is answered to which request.
struct PageAnswer: Sendable {
    let path: String
    let contentType: String
    let page: @Sendable () -> String

    /// The response to a request whose header has arrived.
    func response(to head: [UInt8]) -> String {
        let line = head.prefix { $0 != 13 }
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 3, words[1].hasPrefix("/") else { return error("400 Bad Request") }
        guard words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else {
            return error("505 HTTP Version Not Supported")
        }
        guard words[0] == "GET" else {
            return error("405 Method Not Allowed", header: "Allow: GET\r\n")
        }
        guard words[1].prefix(while: { $0 != "?" }) == path else { return error("404 Not Found") }
        return response("200 OK", contentType, page())
    }

    var headIsTooLong: String { error("431 Request Header Fields Too Large") }

    private func error(_ status: String, header: String = "") -> String {
        response(status, "text/plain; charset=utf-8", "\(status)\n", header: header)
    }

    private func response(
        _ status: String,
        _ type: String,
        _ body: String,
        header: String = ""
    ) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\(header)\r\n\(body)"
    }
}
