import Dispatch
import FeedbackCore
import FeedbackModel
import StoreContract
import Synchronization
import Testing

struct CommitQueueTests {
    @Test func a_lone_write_is_committed_alone() async throws {
        let batches = Mutex<[[Int]]>([])
        let queue = CommitQueue<Int, Int>(label: "test", limits: CommitLimits()) { writes in
            batches.withLock { $0.append(writes) }
            return writes.map { .done($0 * 10) }
        }
        #expect(try await queue.submit(4, context: CallContext()) == 40)
        #expect(try await queue.submit(5, context: CallContext()) == 50)
        #expect(batches.withLock { $0 } == [[4], [5]])
        await queue.close()
    }

    @Test func writes_that_arrive_during_a_commit_share_the_next_in_order() async throws {
        let writer = StalledWriter()
        let answers = try await withThrowingTaskGroup(of: [Int].self) { tasks in
            tasks.addTask { [try await writer.queue.submit(0, context: CallContext())] }
            await writer.waitUntilStalled()
            for number in 1...20 {
                tasks.addTask { [try await writer.queue.submit(number, context: CallContext())] }
                await writer.waitUntilQueued(number)
            }
            writer.resume()
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        #expect(writer.batches == [[0], Array(1...20)])
        #expect(answers.sorted() == Array(0...20))
        await writer.queue.close()
    }

    @Test func a_batch_takes_no_more_than_its_limit() async throws {
        let writer = StalledWriter(CommitLimits(queueLengthMax: 100, batchLengthMax: 3))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = try await writer.queue.submit(0, context: CallContext()) }
            await writer.waitUntilStalled()
            for number in 1...7 {
                tasks.addTask { _ = try await writer.queue.submit(number, context: CallContext()) }
                await writer.waitUntilQueued(number)
            }
            writer.resume()
            try await tasks.waitForAll()
        }
        #expect(writer.batches == [[0], [1, 2, 3], [4, 5, 6], [7]])
        await writer.queue.close()
    }

    @Test("55: the processes of one user leave an eighth of the places to others")
    func places() async throws {
        let writer = StalledWriter(CommitLimits(queueLengthMax: 16, batchLengthMax: 10))
        let greedy = CallContext(peer: PeerCredentials(pid: 1, uid: 1, gid: 1))
        let other = CallContext(peer: PeerCredentials(pid: 2, uid: 2, gid: 1))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = try await writer.queue.submit(0, context: greedy) }
            await writer.waitUntilStalled()
            for number in 1...14 {
                tasks.addTask { _ = try await writer.queue.submit(number, context: greedy) }
                await writer.waitUntilQueued(number)
            }
            #expect(await writer.submit(15, greedy) == .resourceExhausted)
            tasks.addTask { _ = try await writer.queue.submit(15, context: other) }
            await writer.waitUntilQueued(15)
            tasks.addTask { _ = try await writer.queue.submit(16, context: CallContext()) }
            await writer.waitUntilQueued(16)
            #expect(await writer.submit(17, other) == .resourceExhausted)
            writer.resume()
            try await tasks.waitForAll()
        }
        #expect(writer.batches == [[0], Array(1...10), Array(11...16)])
        // The places are free again.
        for number in 0..<40 { #expect(await writer.submit(number, greedy) == nil) }
        await writer.queue.close()
    }

    @Test func each_write_gets_its_own_result() async throws {
        let queue = CommitQueue<Int, Int>(label: "test", limits: CommitLimits()) { writes in
            writes.map { $0 % 2 == 0 ? .done($0) : .refused(CallError(.notFound, "odd")) }
        }
        for number in 0..<10 {
            let code = await errorCode { try await queue.submit(number, context: CallContext()) }
            #expect(code == (number % 2 == 0 ? nil : .notFound))
        }
        await queue.close()
    }

    @Test func writes_that_wait_behind_another_are_committed_together() async throws {
        let writer = StalledWriter()
        await withTaskGroup(of: Void.self) { tasks in
            for number in 0...2 {
                tasks.addTask { _ = await writer.submit(number) }
                await writer.waitUntilStalled()
                await writer.waitUntilQueued(number)
            }
            writer.resume()
        }
        #expect(writer.batches == [[0], [1, 2]])
        await writer.queue.close()
    }

    /// The caller submits its next write at once, or after a pause.
    @Test(arguments: [0, 1]) func writes_one_after_the_other_are_each_committed(
        pauseMilliseconds: Int
    ) async throws {
        let queue = CommitQueue<Int, Int>(label: "test", limits: CommitLimits()) { writes in
            writes.map { .done($0) }
        }
        for number in 0..<200 {
            #expect(try await queue.submit(number, context: CallContext()) == number)
            if pauseMilliseconds > 0 {
                try await Task.sleep(for: .milliseconds(pauseMilliseconds))
            }
        }
        await queue.close()
    }

    @Test func a_full_queue_refuses_at_once() async throws {
        let writer = StalledWriter(CommitLimits(queueLengthMax: 2, batchLengthMax: 10))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = try await writer.queue.submit(0, context: CallContext()) }
            await writer.waitUntilStalled()
            for number in 1...2 {
                tasks.addTask { _ = try await writer.queue.submit(number, context: CallContext()) }
                await writer.waitUntilQueued(number)
            }
            // The writer is still stalled, so an answer can only be a refusal.
            let code = await errorCode {
                try await writer.queue.submit(3, context: CallContext())
            }
            #expect(code == .resourceExhausted)
            writer.resume()
            try await tasks.waitForAll()
        }
        #expect(writer.batches == [[0], [1, 2]])
        await writer.queue.close()
    }

    @Test func a_write_whose_caller_left_while_it_waited_is_dropped() async throws {
        let writer = StalledWriter()
        let caller = Caller()
        let codes = await withTaskGroup(of: CallError.Code?.self) { tasks in
            tasks.addTask { await writer.submit(0) }
            await writer.waitUntilStalled()
            tasks.addTask { await writer.submit(1, CallContext(cancellation: caller)) }
            await writer.waitUntilQueued(1)
            tasks.addTask { await writer.submit(2) }
            await writer.waitUntilQueued(2)
            caller.leave()
            writer.resume()
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == .cancelled }.count == 1)
        #expect(codes.filter { $0 == nil }.count == 2)
        #expect(writer.batches == [[0], [2]])
        await writer.queue.close()
    }

    @Test func a_write_whose_deadline_passed_while_it_waited_is_dropped() async throws {
        let writer = StalledWriter()
        let deadline = ContinuousClock.Instant.now + .milliseconds(1)
        let code = await withTaskGroup(of: CallError.Code?.self) { tasks in
            tasks.addTask { await writer.submit(0) }
            await writer.waitUntilStalled()
            tasks.addTask { await writer.submit(1, CallContext(deadline: deadline)) }
            await writer.waitUntilQueued(1)
            while ContinuousClock.Instant.now < deadline { await Task.yield() }
            writer.resume()
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(code.contains(.deadlineExceeded))
        #expect(writer.batches == [[0]])
        await writer.queue.close()
    }

    @Test func closing_waits_for_the_accepted_writes_and_refuses_further_ones() async throws {
        let writer = StalledWriter()
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { #expect(await writer.submit(0) == nil) }
            await writer.waitUntilStalled()
            tasks.addTask { #expect(await writer.submit(1) == nil) }
            await writer.waitUntilQueued(1)
            tasks.addTask {
                await writer.queue.close()
                #expect(writer.batches == [[0], [1]])
            }
            writer.resume()
        }
        #expect(await writer.submit(2) == .unavailable)
        #expect(writer.batches == [[0], [1]])
        await writer.queue.close()
    }
}

/// A queue whose first commit blocks until ``resume()`` is called.
private final class StalledWriter: Sendable {
    let queue: CommitQueue<Int, Int>
    private let state: CommitState

    init(_ limits: CommitLimits = CommitLimits()) {
        let state = CommitState()
        self.state = state
        self.queue = CommitQueue(label: "test", limits: limits) { writes in
            state.commit(writes)
            return writes.map { .done($0) }
        }
    }

    var batches: [[Int]] { state.batches.withLock { $0 } }

    func submit(_ number: Int, _ context: CallContext = CallContext()) async -> CallError.Code? {
        await errorCode { try await self.queue.submit(number, context: context) }
    }

    func resume() { state.mayGoOn.signal() }

    func waitUntilStalled() async {
        while batches.isEmpty { await Task.yield() }
    }

    /// Waits until `count` writes are queued behind the stalled one.
    func waitUntilQueued(_ count: Int) async {
        while queue.waitingCount < count { await Task.yield() }
    }
}

private final class CommitState: Sendable {
    let batches = Mutex<[[Int]]>([])
    let mayGoOn = DispatchSemaphore(value: 0)

    func commit(_ writes: [Int]) {
        let isFirst = batches.withLock { batches in
            batches.append(writes)
            return batches.count == 1
        }
        if isFirst { mayGoOn.wait() }
    }
}

private final class Caller: CallCancellation {
    private let hasLeft = Atomic(false)

    var isCancelled: Bool { hasLeft.load(ordering: .relaxed) }

    func leave() { hasLeft.store(true, ordering: .relaxed) }
}
