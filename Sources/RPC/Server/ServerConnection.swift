internal import CallStatus
internal import Logging

/// An accepted connection: it finds out the protocol from the first byte, and applies the rules
/// that hold for all protocols.
///
/// It is used on its channel's loop only, except for `init`.
final class ServerConnection: ChannelDelegate, @unchecked Sendable {
    // Unchecked: guarded by the queue of the channel's loop, as above.

    private let channel: Channel
    private let peer: PeerCredentials
    private let router: Router
    private var limits: RPCLimits { channel.loop.limits }
    private let refusal: CallError?
    private let logger: Logger
    private let instruments: RPCInstruments?
    /// The session of the protocol; nil until the first byte has arrived.
    private var session: (any ServerSession)?
    private var isDraining = false
    /// Runs once, when the connection is closed.
    private let onClose: () -> Void
    private var onDrained: (() -> Void)?

    init(
        channel: Channel,
        peer: PeerCredentials,
        router: Router,
        refusal: CallError?,
        logger: Logger,
        instruments: RPCInstruments? = nil,
        onClose: @escaping () -> Void
    ) {
        self.channel = channel
        self.peer = peer
        self.router = router
        self.refusal = refusal
        self.logger = logger
        self.instruments = instruments
        self.onClose = onClose
    }

    /// Begins to read from the channel.
    func start() {
        channel.start(delegate: self)
        channel.wake(at: .now + limits.handshakeTimeout)
    }

    /// Lets running calls finish and no more begin, and runs `onDrained` when none is left.
    func drain(_ onDrained: @escaping () -> Void) {
        isDraining = true
        self.onDrained = onDrained
        session?.drain()
        if session?.isIdle ?? true { reportDrained() }
    }

    private func reportDrained() {
        let report = onDrained
        onDrained = nil
        report?()
    }

    /// Sends the output that waits, then closes the connection.
    func closeAfterFlush() { channel.closeAfterFlush() }

    /// Closes the connection at once.
    func close() { channel.close() }

    // MARK: - ChannelDelegate

    func channel(_ channel: Channel, received bytes: UnsafeRawBufferPointer) {
        guard let session = session ?? makeSession(bytes[0]) else {
            logger.debug("closed a connection that speaks neither ttrpc nor HTTP/2")
            channel.close()
            return
        }
        session.receive(bytes)
    }

    private func makeSession(_ firstByte: UInt8) -> (any ServerSession)? {
        let session: any ServerSession
        switch firstByte {
        // A ttrpc frame begins with the highest byte of its length, which is 0.
        case 0:
            session = TTRPCServerSession(
                channel: channel,
                peer: peer,
                router: router,
                refusal: refusal,
                instruments: instruments?.ttrpc
            )
        // The preface of HTTP/2 is "PRI * HTTP/2.0 …" (RFC 9113, section 3.4).
        case UInt8(ascii: "P"):
            session = GRPCServerSession(
                channel: channel,
                peer: peer,
                router: router,
                refusal: refusal,
                instruments: instruments?.grpc
            )
        default: return nil
        }
        session.onIdle = { [unowned self] in reportDrained() }
        self.session = session
        if isDraining { session.drain() }
        return session
    }

    func channelInputEnded(_ channel: Channel) {
        if let session { session.inputEnded() } else { channel.closeAfterFlush() }
    }

    func channelWoke(_ channel: Channel) {
        if let session, session.hasBegun {
            session.woke()
        } else {
            logger.debug("closed a connection that did not begin within the handshake timeout")
            channel.close()
        }
    }

    func channelHasRoom(_ channel: Channel) { session?.sendWaiting() }

    func channelClosed(_ channel: Channel) {
        session?.closed()
        session?.onIdle = nil
        reportDrained()
        onClose()
    }
}
