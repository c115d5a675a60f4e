internal import Logging

/// One accepted connection: tells by the first byte which protocol it speaks, and keeps the rules
/// that hold for all protocols.
///
/// Used on its channel's loop only, but for init.
final class ServerConnection: ChannelDelegate, @unchecked Sendable {
    // Unchecked: see above.

    private let channel: Channel
    private let session: TTRPCServerSession
    private let limits: RPCLimits
    private let logger: Logger
    /// Called once, when the connection is closed.
    private let onClose: () -> Void
    private var onDrained: (() -> Void)?

    init(
        channel: Channel,
        peer: PeerCredentials,
        router: Router,
        limits: RPCLimits,
        refusal: RPCStatus?,
        logger: Logger,
        onClose: @escaping () -> Void
    ) {
        self.channel = channel
        self.limits = limits
        self.logger = logger
        self.onClose = onClose
        session = TTRPCServerSession(
            channel: channel,
            peer: peer,
            router: router,
            limits: limits,
            refusal: refusal
        )
        session.onIdle = { [unowned self] in reportIfDrained() }
    }

    /// Begins to read.
    func start() {
        channel.start(delegate: self)
        channel.wake(at: .now + limits.handshakeTimeout)
    }

    /// Answers further calls with UNAVAILABLE and tells when none is left.
    func drain(_ onDrained: @escaping () -> Void) {
        session.drain()
        self.onDrained = onDrained
        if session.isIdle { reportIfDrained() }
    }

    private func reportIfDrained() {
        let report = onDrained
        onDrained = nil
        report?()
    }

    /// Sends what waits and closes.
    func closeAfterFlush() { channel.closeAfterFlush() }

    /// Closes at once.
    func close() { channel.close() }

    // MARK: - ChannelDelegate

    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer) {
        // A ttrpc frame begins with the highest byte of a length, which is 0. Until gRPC is served,
        // its preface ("PRI …") is closed like everything else that is not ttrpc.
        if !session.hasBegun, bytes[0] != 0, !hasFirstByte {
            logger.debug("closed a connection that does not speak ttrpc")
            channel.close()
            return
        }
        hasFirstByte = true
        session.receive(bytes)
    }

    private var hasFirstByte = false

    func channelInputEnded(_ channel: Channel) { session.inputEnded() }

    func channelWoke(_ channel: Channel) {
        if session.hasBegun {
            session.woke()
        } else {
            logger.debug("closed a connection that did not begin within the handshake timeout")
            channel.close()
        }
    }

    func channelHasRoom(_ channel: Channel) { session.sendWaiting() }

    func channelClosed(_ channel: Channel) {
        session.closed()
        session.onIdle = nil
        reportIfDrained()
        onClose()
    }
}
