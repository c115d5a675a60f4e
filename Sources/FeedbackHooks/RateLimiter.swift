internal import FeedbackCore
internal import FeedbackModel
internal import Synchronization

/// Limits the number of adds for a session, and by a process, within any minute.
///
/// Adds are counted in slices of ten seconds, and a slice counts until all of it is older than a
/// minute: never more adds than the limit pass within a minute, and after a burst the wait is 60 to
/// 70 seconds.
final class RateLimiter: Sendable {
    typealias Clock = @Sendable () -> ContinuousClock.Instant

    /// The maximum number of sessions, and of processes, that are counted separately; all others in
    /// the same minute share one count.
    static let keysMax = 65_536

    private struct State {
        var sessions: Counts
        var peers: Counts
    }

    private let state: Mutex<State>
    private let clock: Clock
    private let origin: ContinuousClock.Instant

    /// Makes a limiter; nil if there is no limit.
    ///
    /// - Throws: INVALID_ARGUMENT that names the option and the accepted values.
    init?(perSession: Int?, perPeer: Int?, clock: @escaping Clock) throws(CallError) {
        if perSession == nil, perPeer == nil { return nil }
        for (name, limit) in [
            ("adds_per_minute_per_session", perSession), ("adds_per_minute_per_peer", perPeer),
        ] {
            guard (1...ValidationHook.addsPerMinuteMax).contains(limit ?? 1) else {
                throw .invalid(name, "must be 1 to \(ValidationHook.addsPerMinuteMax)")
            }
        }
        state = Mutex(
            State(
                sessions: Counts(limit: perSession ?? .max),
                peers: Counts(limit: perPeer ?? .max)
            )
        )
        self.clock = clock
        origin = clock()
    }

    /// Counts an add.
    ///
    /// - Throws: RESOURCE_EXHAUSTED with the time to wait; the add is then not counted.
    func pass(session: String, peer: PeerCredentials?) throws(CallError) {
        let now = origin.duration(to: clock())
        let session = ExactText(session)
        let refusal = state.withLock { state -> CallError? in
            let sessionKey = state.sessions.key(of: session)
            let peerKey = peer.flatMap { state.peers.key(of: $0) }
            if let wait = state.sessions.wait(sessionKey, at: now) {
                return Self.refusal("of one session", state.sessions.limit, wait)
            }
            if let wait = state.peers.wait(peerKey, at: now) {
                return Self.refusal("by one process", state.peers.limit, wait)
            }
            state.sessions.count(sessionKey, at: now)
            state.peers.count(peerKey, at: now)
            return nil
        }
        if let refusal { throw refusal }
    }

    private static func refusal(_ what: String, _ limit: Int, _ wait: Duration) -> CallError {
        CallError(
            .resourceExhausted,
            "Too many adds \(what): at most \(limit) pass within a minute",
            retryDelay: wait
        )
    }
}

/// The adds of the last minute, by key.
private struct Counts {
    private static let sliceSeconds: Int64 = 10
    private static let slicesPerMinute: Int64 = 6

    /// The adds of one key in the current slice and the six before it.
    private struct Window {
        /// The number of the newest slice since the origin; the counts are of this slice and those
        /// before it, newest first.
        var slice: Int64
        var counts = InlineArray<7, UInt32>(repeating: 0)

        mutating func advance(to slice: Int64) {
            let steps = Int(min(slice - self.slice, Int64(counts.count)))
            guard steps > 0 else { return }
            for index in counts.indices.reversed() {
                counts[index] = index >= steps ? counts[index - steps] : 0
            }
            self.slice = slice
        }
    }

    let limit: Int
    /// The windows by hash value, which takes the same room for long names; its seed is not known
    /// outside of the process.
    private var windows: [Int: Window] = [:]
    /// The window shared by all keys for which there is no room.
    private var overflow = Window(slice: 0)
    private var sweptSlice: Int64 = 0

    init(limit: Int) { self.limit = limit }

    /// Returns the key of a value; nil if there is no limit.
    func key(of value: some Hashable) -> Int? { limit == .max ? nil : value.hashValue }

    /// Returns the time until one more add may pass; nil if it may pass now.
    mutating func wait(_ key: Int?, at now: Duration) -> Duration? {
        guard let key else { return nil }
        let slice = Self.slice(now)
        if slice > sweptSlice {
            windows = windows.filter { slice - $1.slice <= Self.slicesPerMinute }
            sweptSlice = slice
        }
        var window: Window
        if let own = windows[key] {
            window = own
            window.advance(to: slice)
            windows[key] = window
        } else if windows.count < RateLimiter.keysMax {
            return nil
        } else {
            overflow.advance(to: slice)
            window = overflow
        }
        var sum = 0
        for index in window.counts.indices { sum += Int(window.counts[index]) }
        if sum < limit { return nil }
        // The slices expire one after the other, the oldest first.
        for age in window.counts.indices.reversed() {
            sum -= Int(window.counts[age])
            if sum < limit {
                let end = slice - Int64(age) + Self.slicesPerMinute + 1
                return .seconds(end * Self.sliceSeconds) - now
            }
        }
        return nil
    }

    /// Counts an add that ``wait(_:at:)`` has allowed at the same time.
    mutating func count(_ key: Int?, at now: Duration) {
        guard let key else { return }
        if windows.count < RateLimiter.keysMax || windows[key] != nil {
            windows[key, default: Window(slice: Self.slice(now))].counts[0] += 1
        } else {
            overflow.counts[0] += 1
        }
    }

    private static func slice(_ now: Duration) -> Int64 { now.components.seconds / sliceSeconds }
}
