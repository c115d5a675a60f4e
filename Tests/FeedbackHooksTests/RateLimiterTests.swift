import FeedbackCore
import FeedbackModel
import Synchronization
import Testing

@testable import FeedbackHooks

@Suite("rate limits")
struct RateLimiterTests {
    /// A clock that only moves when it is told to.
    private final class Clock: Sendable {
        private let now = Mutex(ContinuousClock.now)

        func read() -> ContinuousClock.Instant { now.withLock { $0 } }

        func advance(_ duration: Duration) { now.withLock { $0 += duration } }
    }

    private let clock = Clock()

    private func limiter(perSession: Int? = nil, perPeer: Int? = nil) throws -> RateLimiter {
        let clock = clock
        return try #require(
            try RateLimiter(perSession: perSession, perPeer: perPeer, clock: { clock.read() })
        )
    }

    /// Returns the time to wait; nil if the add passed.
    private func pass(
        _ limiter: RateLimiter,
        _ session: String = "s",
        pid: Int32? = nil
    ) -> Duration? {
        do {
            try limiter.pass(
                session: session,
                peer: pid.map { PeerCredentials(pid: $0, uid: 0, gid: 0) }
            )
            return nil
        } catch {
            return error.retryDelay
        }
    }

    @Test("nothing is limited unless it is said")
    func none() throws {
        #expect(try RateLimiter(perSession: nil, perPeer: nil, clock: { .now }) == nil)
    }

    @Test("whatever the rhythm, no minute has more than the limit")
    func window() throws {
        let limiter = try limiter(perSession: 5)
        var passed: [ContinuousClock.Instant] = []
        var random = SystemRandomNumberGenerator()
        for _ in 0..<5_000 {
            clock.advance(.milliseconds(Int.random(in: 0...8_000, using: &random)))
            if pass(limiter) == nil { passed.append(clock.read()) }
        }
        #expect(passed.count > 100)
        for index in passed.indices.dropFirst(5) {
            #expect(passed[index] - passed[index - 5] > .seconds(60))
        }
    }

    @Test("who waits as long as told passes then, and not before")
    func retryDelay() throws {
        let limiter = try limiter(perSession: 3)
        for _ in 0..<200 {
            guard let wait = pass(limiter) else {
                clock.advance(.milliseconds(1_700))
                continue
            }
            #expect(wait > .zero && wait <= .seconds(70))
            clock.advance(wait - .milliseconds(1))
            #expect(pass(limiter) != nil)
            clock.advance(.milliseconds(1))
            #expect(pass(limiter) == nil)
        }
    }

    @Test("an add that one limit refuses does not count towards the other")
    func both() throws {
        let limiter = try limiter(perSession: 1, perPeer: 2)
        #expect(pass(limiter, "a", pid: 1) == nil)
        for _ in 0..<5 { #expect(pass(limiter, "a", pid: 1) != nil) }
        #expect(pass(limiter, "b", pid: 1) == nil)
        #expect(pass(limiter, "c", pid: 1) != nil)
        #expect(pass(limiter, "c", pid: 2) == nil)
    }

    @Test("sessions that Swift finds equal and callers tell apart are counted apart")
    func exactNames() throws {
        let limiter = try limiter(perSession: 1)
        #expect(pass(limiter, "\u{E9}") == nil)
        #expect(pass(limiter, "e\u{301}") == nil)
    }

    @Test("a flood of names takes bounded room, and what was counted stays counted")
    func flood() throws {
        let limiter = try limiter(perSession: 1)
        for index in 0..<RateLimiter.keysMax { #expect(pass(limiter, "\(index)") == nil) }
        // All further sessions share one limit.
        #expect(pass(limiter, "more") == nil)
        #expect((0..<1_000).allSatisfy { pass(limiter, "more\($0)") != nil })
        #expect(pass(limiter, "0") != nil)
        // A minute later there is room again.
        clock.advance(.seconds(70))
        #expect(pass(limiter, "new") == nil)
        #expect(pass(limiter, "new") != nil)
    }
}
