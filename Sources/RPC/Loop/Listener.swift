internal import CLinux
internal import Dispatch
internal import Glibc
internal import Logging

/// Accepts connections on a listening socket.
final class Listener: @unchecked Sendable {
    // Unchecked: used on `queue` only, but for init.

    /// The maximum number of connections in a row, after which the queue's other work has its turn.
    private static let acceptsPerTurnMax = 64
    /// The pause in accepting after the process has run out of descriptors or memory.
    private static let backOffMilliseconds = 100

    private let queue = DispatchQueue(label: "rpc.listener")
    private let source: any DispatchSourceRead
    private let descriptor: Int32
    private let warnings: LogLimiter
    private let accepted: @Sendable (Int32) -> Void
    private var isBackingOff = false
    private var isStopped = false

    /// Takes ownership of a listening descriptor.
    ///
    /// `accepted` is called on the listener's queue and owns the descriptor that it is given.
    init(descriptor: Int32, logger: Logger, accepted: @escaping @Sendable (Int32) -> Void) {
        self.descriptor = descriptor
        warnings = LogLimiter(logger)
        self.accepted = accepted
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    }

    func start() {
        source.setEventHandler { _ = self.accept() }
        source.setCancelHandler { Glibc.close(self.descriptor) }
        source.activate()
    }

    /// Stops accepting.
    ///
    /// The kernel resets the connections that wait in the backlog.
    ///
    /// - Parameter acceptsBacklog: true to accept these before.
    func stop(acceptsBacklog: Bool = false) {
        queue.sync {
            if acceptsBacklog { while accept() {} }
            isStopped = true
            source.cancel()
            if isBackingOff { source.resume() }
        }
    }

    /// Accepts what waits; returns true if its turn has ended before.
    private func accept() -> Bool {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        for _ in 0..<Self.acceptsPerTurnMax {
            let connection = accept4(descriptor, nil, nil, flags)
            if connection >= 0 {
                accepted(connection)
                continue
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                backOff(SystemError("cannot accept connections"))
                return false
            default: return false
            }
        }
        return true
    }

    /// Leaves connections in the backlog until descriptors may be free again, since the event would
    /// be raised again and again.
    private func backOff(_ error: SystemError) {
        warnings.log(
            .warning,
            "attempts to accept connections",
            "\(error): waiting for others to end"
        )
        isBackingOff = true
        source.suspend()
        queue.asyncAfter(deadline: .now() + .milliseconds(Self.backOffMilliseconds)) {
            guard !self.isStopped else { return }
            self.isBackingOff = false
            self.source.resume()
        }
    }
}
