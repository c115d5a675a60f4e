/// Whether a store's writer that has answered a lone write should wait for the next, ready for it.
///
/// Where one caller sends one write after the other, to wake up the writer for each, and then the
/// thread of the call, takes half as long as a disk's fsync. So where a write has followed another
/// within ``limit``, the writer waits that long for the next, and meanwhile does for the call's
/// thread what comes in (``CallContext/attend(while:)``).
package struct WriterPatience: Sendable {
    private static var limit: Duration { .microseconds(100) }

    private var restsSince = ContinuousClock.now
    private var expectsNext = false

    package init() {}

    /// Notes that the writer has nothing more to do.
    package mutating func noteRest() { restsSince = .now }

    /// Notes that a write has come to the writer at rest.
    package mutating func noteWrite() { expectsNext = .now - restsSince < Self.limit }

    /// Notes that no write came until the end.
    package mutating func noteEnd() { expectsNext = false }

    /// Until when to wait for the next write; nil if it will probably not come soon.
    package var end: ContinuousClock.Instant? { expectsNext ? .now + Self.limit : nil }
}
