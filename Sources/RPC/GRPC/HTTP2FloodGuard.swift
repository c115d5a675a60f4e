/// Counts the work that a client causes besides its calls, and finds out when it is too much.
///
/// It does no I/O.
struct HTTP2FloodGuard {
    private let continuationsMax: Int
    private var continuations = 0
    private var controlFrames: TokenBucket
    private var resets: TokenBucket

    init(_ limits: RPCLimits) {
        continuationsMax = limits.continuationFramesMax
        controlFrames = TokenBucket(
            burst: limits.controlFramesBurst,
            perSecond: limits.controlFramesPerSecond
        )
        resets = TokenBucket(
            burst: limits.streamResetsBurst,
            perSecond: limits.streamResetsPerSecond
        )
    }

    /// Counts a frame of the client; returns false if it is one too many.
    mutating func admits(_ frame: HTTP2FrameScanner.Header) -> Bool {
        switch frame.kind {
        case HTTP2FrameScanner.Kind.data:
            let isUseful =
                frame.length > 0 || frame.flags & HTTP2FrameScanner.Flags.endStream != 0
            return isUseful || controlFrames.take()
        case HTTP2FrameScanner.Kind.headers:
            continuations = 0
            return true
        case HTTP2FrameScanner.Kind.continuation:
            continuations += 1
            return continuations <= continuationsMax
        case HTTP2FrameScanner.Kind.resetStream: return resets.take()
        // Clients send one for each frame of a long response.
        case HTTP2FrameScanner.Kind.windowUpdate: return true
        default: return controlFrames.take()
        }
    }

    /// Counts a stream that the client made the server reset; returns false if it is one too many.
    mutating func admitsServerReset() -> Bool { resets.take() }

    /// Counts a frame of a response, which shows that the client makes use of its connection.
    mutating func responseFrameWasSent() {
        controlFrames.give()
        resets.give()
    }
}

/// Allows a number of events at once, and then events at a rate.
struct TokenBucket {
    private let burst: Int
    private let perSecond: Int
    private var tokens: Int
    private var refilled: ContinuousClock.Instant

    init(burst: Int, perSecond: Int, now: ContinuousClock.Instant = .now) {
        self.burst = burst
        self.perSecond = perSecond
        tokens = burst
        refilled = now
    }

    /// Takes a token; returns false if there is none.
    mutating func take(now: @autoclosure () -> ContinuousClock.Instant = .now) -> Bool {
        if tokens == 0 { refill(now()) }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }

    /// Puts a token back, unless the bucket is full.
    mutating func give() { tokens = min(burst, tokens + 1) }

    /// Adds the tokens of the time since the last refill.
    ///
    /// This is done only for an empty bucket, so that the clock is rarely read.
    private mutating func refill(_ now: ContinuousClock.Instant) {
        let seconds = Double((now - refilled).nanoseconds) / 1e9
        let earned = Int(min(Double(burst), seconds * Double(perSecond)))
        guard earned > 0 else { return }
        tokens = earned
        refilled = now
    }
}
