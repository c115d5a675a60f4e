import FeedbackModel
import Synchronization
import TestSupport
import Testing

@testable import FeedbackCore

/// `docs/RELIABILITY.md`, "Peers", 83, and "Access", 55: reads of many callers.
@Suite("turns of callers")
struct TurnQueueTests {
    private static let first = PeerCredentials(pid: 1, uid: 1, gid: 1)
    private static let second = PeerCredentials(pid: 2, uid: 1, gid: 1)
    private static let third = PeerCredentials(pid: 3, uid: 2, gid: 1)

    // MARK: - Turns

    @Test("83: callers take turns, whatever number of calls each has")
    func turns() {
        var queue = TurnQueue<String>(runningMax: 1, lengthMax: 100)
        for index in 0..<5 { #expect(queue.add("a\(index)", of: Self.first) == nil) }
        #expect(queue.next() == "a0")
        for index in 0..<2 { #expect(queue.add("b\(index)", of: Self.second) == nil) }
        #expect(queue.add("c0", of: Self.third) == nil)
        #expect(queue.next() == nil)
        var order: [String] = []
        var running = Self.first
        while true {
            queue.ended(of: running)
            guard let next = queue.next() else { break }
            order.append(next)
            running =
                next.hasPrefix("a") ? Self.first : next.hasPrefix("b") ? Self.second : Self.third
        }
        #expect(order == ["a1", "b0", "c0", "a2", "b1", "a3", "a4"])
        #expect(queue.isIdle)
    }

    @Test("83: one process leaves a reader to others, but not calls from within")
    func readers() {
        var queue = TurnQueue<Int>(runningMax: 4, lengthMax: 100)
        for index in 0..<10 { #expect(queue.add(index, of: Self.first) == nil) }
        #expect((0..<4).map { _ in queue.next() } == [0, 1, 2, nil])
        #expect(queue.add(10, of: Self.second) == nil)
        #expect(queue.next() == 10)
        #expect(queue.next() == nil)
        queue.ended(of: Self.second)
        #expect(queue.next() == nil)
        queue.ended(of: Self.first)
        #expect(queue.next() == 3)
        var own = TurnQueue<Int>(runningMax: 4, lengthMax: 100)
        for index in 0..<10 { #expect(own.add(index, of: nil) == nil) }
        #expect((0..<5).map { _ in own.next() } == [0, 1, 2, 3, nil])
        var lone = TurnQueue<Int>(runningMax: 1, lengthMax: 1)
        #expect(lone.add(0, of: Self.first) == nil)
        #expect(lone.next() == 0)
    }

    @Test("55: one process leaves an eighth of the places to others")
    func places() {
        var queue = TurnQueue<Int>(runningMax: 2, lengthMax: 16)
        for index in 0..<14 { #expect(queue.add(index, of: Self.first) == nil) }
        #expect(queue.add(14, of: Self.first)?.code == .resourceExhausted)
        #expect(queue.add(14, of: Self.second) == nil)
        #expect(queue.add(15, of: nil) == nil)
        #expect(queue.add(16, of: nil)?.code == .resourceExhausted)
        #expect(queue.add(16, of: Self.third)?.code == .resourceExhausted)
        #expect(queue.next() == 0)
        queue.ended(of: Self.first)
        #expect(queue.add(16, of: Self.first) == nil)
    }

    // MARK: - Reads

    /// A caller that has gone away.
    private final class Gone: CallCancellation {
        var isCancelled: Bool { true }
    }

    @Test("83: a read is served while another process has thousands that run and wait")
    func flood() async throws {
        let queue = ReadQueue(readersMax: 4, lengthMax: 4_096)
        let held = HeldReads()
        let flood = (0..<3_000).map { _ in
            held.begin(CallContext(peer: Self.first), on: queue)
        }
        #expect(await eventually { queue.waitingCount == 2_997 })
        let value = try await queue.run(CallContext(peer: Self.second)) { $0(.success(7)) }
        #expect(value == 7)
        #expect(held.count == 3)
        let closing = Task { await queue.close() }
        while held.count > 0 { held.endAll() }
        for read in flood { #expect(try await read.value == 1) }
        await closing.value
        await #expect(throws: CallError.self) {
            try await queue.run(CallContext()) { $0(.success(0)) }
        }
    }

    @Test func thousands_of_reads_whose_calls_have_ended_are_dropped_at_their_turn() async throws {
        let queue = ReadQueue(readersMax: 1, lengthMax: 5_000)
        let held = HeldReads()
        let first = held.begin(CallContext(), on: queue)
        #expect(await eventually { held.count == 1 })
        let gone = CallContext(peer: Self.first, cancellation: Gone())
        let dropped = (0..<4_000).map { _ in held.begin(gone, on: queue) }
        #expect(await eventually { queue.waitingCount == 4_000 })
        held.endAll()
        #expect(try await first.value == 1)
        for read in dropped {
            await #expect {
                try await read.value
            } throws: {
                ($0 as? CallError)?.code == .cancelled
            }
        }
        #expect(held.count == 0)
        await queue.close()
    }
}

/// Reads that go on until they are ended.
private final class HeldReads: Sendable {
    private let ends = Mutex<[@Sendable (Result<Int, any Error>) -> Void]>([])

    /// The number of reads that have begun and not ended.
    var count: Int { ends.withLock { $0.count } }

    func begin(_ context: CallContext, on queue: ReadQueue) -> Task<Int, any Error> {
        Task {
            try await queue.run(context) { end in self.ends.withLock { $0.append(end) } }
        }
    }

    /// Ends the reads that have begun, in whose place others begin.
    func endAll() {
        let ends = self.ends.withLock { ends in
            defer { ends = [] }
            return ends
        }
        for end in ends { end(.success(1)) }
    }
}
