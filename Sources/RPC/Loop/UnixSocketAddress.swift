internal import CallStatus
internal import Glibc

/// The path of a Unix domain socket.
public struct UnixSocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// The maximum length of a path in bytes: the size of `sun_path` without the final NUL
    /// (unix(7)).
    public static let pathBytesMax = 107

    /// The path of the socket in the file system.
    public let path: String

    /// Makes an address of a path.
    ///
    /// - Throws: INVALID_ARGUMENT for an empty path, one above ``pathBytesMax`` bytes, one with the
    ///   NUL character, or an abstract address (with a leading `@`), which no file permission
    ///   guards.
    public init(path: String) throws {
        if path.isEmpty { throw CallError(.invalidArgument, "the socket path is empty") }
        if path.utf8.first == UInt8(ascii: "@") || path.utf8.contains(0) {
            throw CallError(
                .invalidArgument,
                "abstract socket addresses are refused, since no file permission guards them: "
                    + "name a path"
            )
        }
        if path.utf8.count > Self.pathBytesMax {
            throw CallError(
                .invalidArgument,
                "the socket path has \(path.utf8.count) bytes, at most \(Self.pathBytesMax) are "
                    + "possible: \(path)"
            )
        }
        self.path = path
    }

    private init(known path: String) { self.path = path }

    /// Returns the address of a program's socket for which no path was configured.
    ///
    /// It is `$XDG_RUNTIME_DIR/PROGRAM/PROGRAM.sock`; without that variable
    /// `/run/PROGRAM/PROGRAM.sock` for root, else `/tmp/PROGRAM-UID/PROGRAM.sock`.
    ///
    /// - Throws: INVALID_ARGUMENT if that is not a valid path, for example because it is too long.
    public static func defaultAddress(program: String) throws -> UnixSocketAddress {
        let folder: String
        if let runtime = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), !runtime.isEmpty {
            folder = "\(runtime)/\(program)"
        } else if geteuid() == 0 {
            folder = "/run/\(program)"
        } else {
            folder = "/tmp/\(program)-\(geteuid())"
        }
        return try UnixSocketAddress(path: "\(folder)/\(program).sock")
    }

    /// The folder that holds the socket.
    var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path.
    public var description: String { path }

    /// Calls `body` with the address in the form that system calls take, which is valid during the
    /// call only.
    func withSocketAddress<Value>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
