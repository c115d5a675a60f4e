internal import CLinux
internal import CallStatus
internal import Glibc

/// Where a ``PageServer`` listens: a Unix domain socket, or a port of the loopback interface.
public enum PageAddress: Sendable, Hashable, CustomStringConvertible {
    /// A socket file.
    case unix(UnixSocketAddress)
    /// A port of an IPv4 or IPv6 loopback address; 0 for any that is free.
    case loopback(host: String, port: UInt16)

    /// Reads `unix:PATH`, `127.0.0.1:PORT` or `[::1]:PORT`.
    ///
    /// - Throws: INVALID_ARGUMENT for anything else: other hosts must not read the page, unless
    ///   something in front of it decides who may.
    public init(_ text: String) throws {
        if text.hasPrefix("unix:") {
            self = .unix(try UnixSocketAddress(path: String(text.dropFirst("unix:".count))))
            return
        }
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { throw Self.refusal }
        var host = String(text[..<colon])
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            guard UInt32(bigEndian: four.s_addr) >> 24 == 127 else { throw Self.refusal }
        } else {
            guard host.hasPrefix("["), host.hasSuffix("]") else { throw Self.refusal }
            host = String(host.dropFirst().dropLast())
            guard inet_pton(AF_INET6, host, &six) == 1,
                withUnsafeBytes(
                    of: &six,
                    { $0.elementsEqual([UInt8](repeating: 0, count: 15) + [1]) }
                )
            else { throw Self.refusal }
        }
        self = .loopback(host: host, port: port)
    }

    private static let refusal = CallError(
        .invalidArgument,
        "must be unix:PATH, 127.0.0.1:PORT or [::1]:PORT: only this host may read it"
    )

    /// As it is given; for a port, as a URL has it.
    public var description: String {
        switch self {
        case .unix(let address): "unix:\(address)"
        case .loopback(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// A listening, non-blocking socket at a loopback address, and the port that it got.
    static func listen(host: String, port: UInt16) throws -> (descriptor: Int32, port: UInt16) {
        let isSix = host.contains(":")
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(isSix ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw SystemError("cannot make a socket") }
        // A daemon that starts anew must not wait for the connections of the former one.
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var storage = sockaddr_storage()
        var size = socklen_t(
            isSix ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        )
        let bound = withUnsafeMutablePointer(to: &storage) { pointer -> Int32 in
            if isSix {
                pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                    address.pointee.sin6_family = sa_family_t(AF_INET6)
                    address.pointee.sin6_port = port.bigEndian
                    _ = inet_pton(AF_INET6, host, &address.pointee.sin6_addr)
                }
            } else {
                pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                    address.pointee.sin_family = sa_family_t(AF_INET)
                    address.pointee.sin_port = port.bigEndian
                    _ = inet_pton(AF_INET, host, &address.pointee.sin_addr)
                }
            }
            return pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard bind(descriptor, address, size) == 0, Glibc.listen(descriptor, 64) == 0 else {
                    return -1
                }
                return getsockname(descriptor, address, &size)
            }
        }
        guard bound == 0 else {
            let error = SystemError(
                "cannot listen on \(PageAddress.loopback(host: host, port: port))"
            )
            close(descriptor)
            throw error
        }
        // Both families have the port at the same place.
        let found = withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
        return (descriptor, found)
    }
}
