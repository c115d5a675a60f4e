/// The limits of a server's or a client's connections.
public struct RPCLimits: Sendable {
    /// The maximum number of connections that are served at once.
    ///
    /// It is lower if the process may not have as many descriptors.
    public var connectionsMax = 10_000
    /// The maximum number of connections beyond ``connectionsMax`` that wait for the reason why
    /// they are not served; a further one takes the place of the one that has waited longest.
    public var refusalsMax = 64
    /// The number of descriptors that connections leave to the rest of the process: to stores,
    /// hooks, and the page with metrics.
    ///
    /// It is a quarter of all descriptors if those are few.
    public var descriptorsReserved = 128
    /// The maximum number of calls of one connection that are worked on at once; further ones wait
    /// in the socket.
    public var callsInFlightPerConnectionMax = 1_024
    /// The maximum size of the data of a ttrpc frame, and of a gRPC message after decompression, in
    /// bytes.
    ///
    /// The default is ttrpc's own limit, and what gRPC clients accept unless they are told
    /// otherwise.
    public var frameBytesMax = 4 << 20
    /// The maximum size of the metadata of one call, in bytes, with 32 more for each pair (RFC
    /// 9113, section 6.5.2); for gRPC all header fields count.
    public var metadataBytesMax = 8 << 10
    /// The maximum size of the output that waits to be written to one connection, in bytes.
    ///
    /// Further replies wait as values, and a peer that then reads nothing for ``outputFullTimeout``
    /// is closed.
    public var outputQueueBytesMax = 8 << 20
    /// The size of the waiting output, in bytes, from which on no further calls are read.
    public var outputQueueBytesPause = 1 << 20
    /// The size of the waiting output of a ttrpc connection, in bytes, from which on streaming calls
    /// wait before they send more.
    ///
    /// Their peer may take ``outputStallTimeout`` for the next part of it: whoever reads a stream may
    /// be slow.
    public var streamOutputBytesMax = 256 << 10
    /// The maximum time for the beginning of a connection.
    ///
    /// It also limits the time until the next bytes of a frame that has begun, and the time that a
    /// peer may take to close a connection that the server has ended.
    public var handshakeTimeout = Duration.seconds(5)
    /// The time without any output taken by the peer after which a connection is closed.
    public var outputStallTimeout = Duration.seconds(30)
    /// The time that replaces ``outputStallTimeout`` while the output queue is full.
    public var outputFullTimeout = Duration.seconds(1)
    /// The maximum timeout of a call; a longer one is reduced to it.
    ///
    /// A call without a timeout has no deadline.
    public var callTimeoutMax = Duration.seconds(3_600)
    /// The maximum memory of one decoded or built message, in bytes.
    ///
    /// Ordinary messages need up to five times their encoded size.
    public var messageMemoryBytesMax = 32 << 20
    /// The maximum memory, in bytes, of the requests of one connection that streaming calls have
    /// not taken yet and, for gRPC, of those that have not arrived wholly.
    public var requestBytesHeldMax = 64 << 20
    /// The maximum memory, in bytes, of the replies of one gRPC connection that are sent in parts;
    /// one reply alone may be larger.
    ///
    /// Further large replies wait as values.
    public var replyBytesHeldMax = 64 << 20
    /// The maximum memory, in bytes, that all peers together have in the server: requests that
    /// arrive, wait or are worked on, and replies that wait to be taken.
    ///
    /// The processes of one user have half of it. What would exceed it is refused. Each connection
    /// has 16 KiB besides, which are not counted.
    public var peerBytesMax = 256 << 20
    /// The part of a gRPC message that the peer must send or take within ``outputStallTimeout``, in
    /// bytes, unless less is left of it.
    public var progressBytesMin = 64 << 10

    // MARK: HTTP/2

    /// The maximum number of CONTINUATION frames after a HEADERS frame.
    public var continuationFramesMax = 8
    /// The flow-control window of a connection, in bytes: the requests that may be on their way to
    /// the server.
    public var connectionWindowBytes = 1 << 20
    /// The number of frames that ask for work without being part of a call (PING, SETTINGS,
    /// PRIORITY, empty DATA, unknown ones) that may come at once; each frame of a response allows
    /// one more.
    public var controlFramesBurst = 1_000
    /// The number of these frames that may come per second after that.
    public var controlFramesPerSecond = 10
    /// The number of streams that the client may reset, or make the server reset, at once; each
    /// frame of a response allows one more.
    public var streamResetsBurst = 2_048
    /// The number of streams that may be reset per second after that.
    public var streamResetsPerSecond = 100
    /// The maximum time that a client may take to acknowledge the announcement of the shutdown.
    public var drainNoticeTimeout = Duration.seconds(1)
    /// The maximum size of the message of a failed gRPC call, and of its details, each in bytes as
    /// they are sent; clients accept 8 KiB of trailers.
    public var statusBytesMax = 3 << 10

    /// Makes the default limits.
    public init() {}
}
