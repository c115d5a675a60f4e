/// The limits of a server's or a client's connections.
public struct RPCLimits: Sendable {
    /// How many connections are served at once.
    public var connectionsMax = 10_000
    /// How many connections beyond ``connectionsMax`` are told why they are not served; any further
    /// one is closed at once.
    public var refusalsMax = 64
    /// How many calls of one connection are worked on at once; further ones wait in the socket.
    public var callsInFlightPerConnectionMax = 1_024
    /// The data of one ttrpc frame, and one message of gRPC after decompression, in bytes (ttrpc's
    /// own limit is 4 MiB, and what gRPC's clients accept unless told otherwise).
    public var frameBytesMax = 4 << 20
    /// The metadata of one call, in bytes, with 32 more for each pair (RFC 9113 section 6.5.2); for
    /// gRPC all header fields count.
    public var metadataBytesMax = 8 << 10
    /// What may wait to be written to one connection, in bytes; further replies wait as values, and
    /// a peer that then reads nothing for ``outputFullTimeout`` is closed.
    public var outputQueueBytesMax = 8 << 20
    /// While that much waits to be written, in bytes, no further calls are read.
    public var outputQueueBytesPause = 1 << 20
    /// How long the beginning of a connection may take.
    public var handshakeTimeout = Duration.seconds(5)
    /// How long a peer may leave what was sent to it unread before the connection is closed.
    public var outputStallTimeout = Duration.seconds(30)
    /// How long a peer may read nothing while its output queue is full.
    public var outputFullTimeout = Duration.seconds(1)
    /// The longest time that a call may take; longer deadlines are cut to it.
    public var callTimeoutMax = Duration.seconds(3_600)
    /// The memory of one decoded or built message, in bytes.
    ///
    /// Ordinary messages need up to five times their encoded size.
    public var messageMemoryBytesMax = 32 << 20
    /// The requests of one connection that have not arrived wholly, or that streaming calls have not
    /// taken yet, in bytes.
    public var requestBytesHeldMax = 64 << 20
    /// The replies of one gRPC connection that are sent in parts, in bytes, or one larger reply;
    /// further large ones wait as values.
    public var replyBytesHeldMax = 64 << 20
    /// How much of a gRPC message the peer must send or take within ``outputStallTimeout``, in bytes,
    /// unless less is left of it.
    public var progressBytesMin = 64 << 10

    // MARK: HTTP/2

    /// How many CONTINUATION frames may follow a HEADERS frame.
    public var continuationFramesMax = 8
    /// How many bytes of requests may be under way to one connection.
    public var connectionWindowBytes = 1 << 20
    /// How many frames that ask for work without being part of a call (PING, SETTINGS, PRIORITY,
    /// empty DATA, unknown ones) may come at once; each frame of a response earns one more.
    public var controlFramesBurst = 1_000
    /// How many more of these frames may come per second.
    public var controlFramesPerSecond = 10
    /// How many streams the client may reset, or make the server reset, at once; each response earns
    /// one more.
    public var streamResetsBurst = 2_048
    /// How many more streams may be reset per second.
    public var streamResetsPerSecond = 100
    /// How long a client that was told of the shutdown may take to say that it knows.
    public var drainNoticeTimeout = Duration.seconds(1)
    /// The message of a failed gRPC call, and its details, each in bytes as they are sent; clients
    /// accept 8 KiB of trailers.
    public var statusBytesMax = 3 << 10

    /// Makes the default limits.
    public init() {}
}
