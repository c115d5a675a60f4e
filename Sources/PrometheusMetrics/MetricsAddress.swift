internal import CallStatus
internal import Glibc

/// The address of the page with metrics: a Unix domain socket, or a port of the loopback interface.
public enum MetricsAddress: Sendable, Hashable, CustomStringConvertible {
    /// A socket file.
    case unix(path: String)
    /// A port of an IPv4 or IPv6 loopback address; 0 is any that is free.
    case loopback(host: String, port: UInt16)

    /// Parses `127.0.0.1:PORT` or `[::1]:PORT`.
    ///
    /// - Throws: INVALID_ARGUMENT for anything else: other hosts must not read the page, unless
    ///   something in front of it decides who may.
    package init(loopback text: String) throws {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { throw Self.refusal }
        var host = String(text[..<colon])
        if host.contains(":") {
            guard host.hasPrefix("["), host.hasSuffix("]") else { throw Self.refusal }
            host = String(host.dropFirst().dropLast())
        }
        guard Self.isLoopback(host) else { throw Self.refusal }
        self = .loopback(host: host, port: port)
    }

    private static let refusal = CallError(
        .invalidArgument,
        "must be unix:PATH, 127.0.0.1:PORT or [::1]:PORT: only this host may read it"
    )

    /// Returns true for a number of 127.0.0.0/8, and for `::1` in any spelling.
    private static func isLoopback(_ host: String) -> Bool {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            return UInt32(bigEndian: four.s_addr) >> 24 == 127
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        return withUnsafeBytes(of: &six) {
            $0.elementsEqual([UInt8](repeating: 0, count: 15) + [1])
        }
    }

    /// The address in the form of the configuration; that of a port is also the one of URLs.
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .loopback(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// Returns a listening, non-blocking socket at a loopback address, which the caller owns, and
    /// its port.
    ///
    /// - Throws: an error whose description names the address and the reason.
    package static func listen(
        host: String,
        port: UInt16
    ) throws -> (descriptor: Int32, port: UInt16) {
        guard isLoopback(host) else { throw refusal }
        let isSix = host.contains(":")
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(isSix ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw systemError("cannot make a socket") }
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
            let error = systemError(
                "cannot listen on \(MetricsAddress.loopback(host: host, port: port))"
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

    /// Returns an error that describes `errno`.
    private static func systemError(_ text: String) -> CallError {
        let number = errno
        return CallError(.failedPrecondition, "\(text): \(String(cString: strerror(number)))")
    }
}
