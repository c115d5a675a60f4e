internal import Foundation
internal import Synchronization

/// A relay between two Unix sockets that cuts each connection after some bytes of the answers, in the
/// middle of whatever they are.
public final class SocketRelay: Sendable {
    private let listener: Int32
    private let target: String
    private let cutAfter: @Sendable () -> Int?
    private let cuts = Atomic(0)

    /// Starts a relay.
    ///
    /// - Parameters:
    ///   - path: the path at which it listens.
    ///   - target: the path to which it connects.
    ///   - cutAfter: returns, for each connection, the number of bytes of the answers after which it is
    ///     cut; nil for one that is not.
    /// - Throws: an error if it cannot listen.
    public init(
        at path: String,
        to target: String,
        cutAfter: @escaping @Sendable () -> Int?
    ) throws {
        self.target = target
        self.cutAfter = cutAfter
        listener = try Self.socket(path, bind)
        guard listen(listener, 64) == 0 else { throw CannotUseSocket(path: path) }
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

    /// The number of connections that were cut.
    public var cutCount: Int { cuts.load(ordering: .sequentiallyConsistent) }

    private func serve(_ client: Int32) {
        guard let server = try? Self.socket(target, connect) else {
            close(client)
            return
        }
        let ends = Ends(client: client, server: server)
        Thread.detachNewThread { ends.pump(from: client, to: server, atMost: nil) }
        let limit = cutAfter()
        Thread.detachNewThread { [self] in
            let wasCut = ends.pump(from: server, to: client, atMost: limit)
            if wasCut { cuts.add(1, ordering: .sequentiallyConsistent) }
        }
    }

    private static func socket(
        _ path: String,
        _ use: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws -> Int32 {
        let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                use(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard outcome == 0 else {
            close(descriptor)
            throw CannotUseSocket(path: path)
        }
        return descriptor
    }
}

private struct CannotUseSocket: Error {
    let path: String
}

/// The two ends of a relayed connection, closed when both pumps have ended.
private final class Ends: Sendable {
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

    /// Forwards at most `limit` bytes, and ends the connection; returns true if the limit was
    /// reached.
    @discardableResult
    func pump(from source: Int32, to sink: Int32, atMost limit: Int?) -> Bool {
        var left = limit ?? .max
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while left > 0 {
            let count = recv(source, &buffer, min(left, buffer.count), 0)
            guard count > 0 else { break }
            var rest = buffer[..<count]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes {
                    send(sink, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard sent > 0 else { break }
                rest = rest.dropFirst(sent)
            }
            guard rest.isEmpty else { break }
            left -= count
        }
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
        return left == 0
    }
}
