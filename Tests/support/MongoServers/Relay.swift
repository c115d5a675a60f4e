public import Foundation
internal import Synchronization

/// A TCP relay on loopback between a store and a server.
///
/// It forwards everything until it is told to cut connections or to hold replies back, and shows
/// the traffic to its owner.
public final class Relay: Sendable {
    private struct Orders {
        var cutCommand = ""
        var cutsLeft = 0
        var heldCommand = ""
        var heldCount = 0
    }

    /// The relay's address, in the form `127.0.0.1:PORT`.
    public let address: String
    private let target: sockaddr_in
    private let listener: Int32
    private let orders = Mutex(Orders())
    private let onRequest: @Sendable (Data) -> Void
    private let onReply: @Sendable (Data) -> Data
    private let replyByteCount = Atomic(0)

    /// Starts a relay to a server at `127.0.0.1:PORT`.
    ///
    /// - Parameters:
    ///   - server: the address of the server.
    ///   - onRequest: called with each complete request.
    ///   - onReply: returns the bytes to send instead of a part of the replies, of the same length.
    /// - Throws: the error that keeps it from listening.
    public init(
        to server: String,
        onRequest: @escaping @Sendable (Data) -> Void = { _ in },
        onReply: @escaping @Sendable (Data) -> Data = { $0 }
    ) throws {
        self.onRequest = onRequest
        self.onReply = onReply
        guard let serverPort = server.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw ServerFailure("\(server) has no port")
        }
        target = .loopback(port: serverPort)
        let port = try freePort()
        address = "127.0.0.1:\(port)"
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var own = sockaddr_in.loopback(port: port)
        guard own.withSockaddr({ bind(listener, $0, $1) }) == 0, listen(listener, 64) == 0 else {
            throw ServerFailure("the relay cannot listen on \(address)")
        }
        Thread.detachNewThread { [weak self, listener] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self else { return }
                self.serve(client)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// Cuts the connections of the next `times` commands with the name, after the server has
    /// received them and before its replies.
    public func cut(_ command: String, times: Int) {
        orders.withLock {
            $0.cutCommand = command
            $0.cutsLeft = times
        }
    }

    /// The number of connections that are still to be cut.
    public var cutsLeft: Int { orders.withLock { $0.cutsLeft } }

    /// Holds back the replies to commands with the name; with an empty name, to none.
    public func hold(_ command: String) {
        orders.withLock { $0.heldCommand = command }
    }

    /// The number of replies that are held back.
    public var heldCount: Int { orders.withLock { $0.heldCount } }

    /// The number of bytes that the server has sent.
    public var replyBytes: Int { replyByteCount.load(ordering: .relaxed) }

    private func serve(_ client: Int32) {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var target = self.target
        guard target.withSockaddr({ connect(server, $0, $1) }) == 0 else {
            close(server)
            close(client)
            return
        }
        let pair = Pair(client: client, server: server)
        Thread.detachNewThread { [onRequest] in
            var requests = MessageSplitter()
            pair.pump(from: client, to: server) { bytes in
                for request in requests.split(bytes) {
                    onRequest(request)
                    pair.lastRequest.withLock { $0 = request }
                }
                return bytes
            }
        }
        Thread.detachNewThread { [self] in
            pair.pump(from: server, to: client) { bytes in
                replyByteCount.add(bytes.count, ordering: .relaxed)
                return mayReply(to: pair) ? onReply(bytes) : nil
            }
        }
    }

    /// Waits while replies are held back; returns false if the connection is to be cut.
    private func mayReply(to pair: Pair) -> Bool {
        let request = pair.lastRequest.withLock { $0 }
        func isNamed(_ command: String) -> Bool {
            !command.isEmpty && request.range(of: Data("\(command)\0".utf8)) != nil
        }
        let isCut = orders.withLock { orders in
            guard orders.cutsLeft > 0, isNamed(orders.cutCommand) else { return false }
            orders.cutsLeft -= 1
            return true
        }
        if isCut { return false }
        guard orders.withLock({ isNamed($0.heldCommand) }) else { return true }
        orders.withLock { $0.heldCount += 1 }
        while orders.withLock({ isNamed($0.heldCommand) }) { usleep(1_000) }
        orders.withLock { $0.heldCount -= 1 }
        return true
    }
}

/// Splits a stream into the messages of MongoDB's wire protocol, each of which begins with its
/// length.
private struct MessageSplitter {
    private var rest = Data()

    /// Adds received bytes and returns the messages that they complete.
    mutating func split(_ bytes: Data) -> [Data] {
        rest += bytes
        var messages: [Data] = []
        while rest.count >= 4 {
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard length > 4, rest.count >= length else { break }
            messages.append(Data(rest.prefix(length)))
            rest = Data(rest.dropFirst(length))
        }
        return messages
    }
}

/// The two ends of a relayed connection, closed when both pumps have ended.
private final class Pair: Sendable {
    let lastRequest = Mutex(Data())
    private let client: Int32
    private let server: Int32

    init(client: Int32, server: Int32) {
        self.client = client
        self.server = server
    }

    deinit {
        close(client)
        close(server)
    }

    /// Forwards the result of the body for each received part, until it is nil.
    func pump(from source: Int32, to sink: Int32, _ body: (Data) -> Data?) {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0, var rest = body(Data(buffer[..<count])) else { break }
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes {
                    send(sink, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard sent > 0 else { break }
                rest = rest.dropFirst(sent)
            }
            guard rest.isEmpty else { break }
        }
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
    }
}

extension sockaddr_in {
    static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    mutating func withSockaddr<R>(_ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafeMutablePointer(to: &self) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
