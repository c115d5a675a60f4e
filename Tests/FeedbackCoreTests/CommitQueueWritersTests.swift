import FeedbackCore
import FeedbackModel
import StoreContract
import Synchronization
import Testing

/// The queue with several writers, and undecided writes.
@Suite("the queue of writes with several writers")
struct CommitQueueWritersTests {
    /// A write of a session; some are committed alone.
    private struct Write: Sendable, Equatable {
        var session: String
        var number: Int
        var isExclusive = false
    }

    private typealias Queue = CommitQueue<Write, Int>

    private static let ordering = Queue.WriteOrdering(
        session: { $0.session },
        isExclusive: { $0.isExclusive }
    )

    private func queue(
        repetitionTimeout: Duration = .zero,
        _ commit: @escaping Queue.Commit = { writes in writes.map { .done($0.number) } }
    ) -> Queue {
        Queue(
            label: "test",
            limits: CommitLimits(),
            writerCount: 2,
            ordering: Self.ordering,
            repetitionTimeout: repetitionTimeout,
            commit: commit
        )
    }

    /// One or several callers submit their next write at once, or after a pause.
    @Test(arguments: [0, 1], [1, 3])
    func writes_of_several_callers_are_each_committed(
        pauseMilliseconds: Int,
        callerCount: Int
    ) async throws {
        let queue = queue()
        try await withThrowingTaskGroup(of: Void.self) { callers in
            for caller in 0..<callerCount {
                callers.addTask {
                    for number in 0..<200 {
                        let write = Write(session: "\(caller)", number: number)
                        #expect(try await queue.submit(write, context: CallContext()) == number)
                        if pauseMilliseconds > 0 {
                            try await Task.sleep(for: .milliseconds(pauseMilliseconds))
                        }
                    }
                }
            }
            try await callers.waitForAll()
        }
        await queue.close()
    }

    @Test func a_write_that_is_to_be_alone_shares_no_batch() async throws {
        let batches = Mutex<[[Write]]>([])
        let queue = queue { writes in
            batches.withLock { $0.append(writes) }
            return writes.map { .done($0.number) }
        }
        try await withThrowingTaskGroup(of: Int.self) { callers in
            for number in 0..<300 {
                let write = Write(
                    session: "\(number % 7)",
                    number: number,
                    isExclusive: number.isMultiple(of: 3)
                )
                callers.addTask { try await queue.submit(write, context: CallContext()) }
            }
            try await callers.waitForAll()
        }
        await queue.close()
        let all = batches.withLock { $0 }
        #expect(all.allSatisfy { batch in batch.count == 1 || !batch.contains { $0.isExclusive } })
        #expect(all.joined().map(\.number).sorted() == Array(0..<300))
    }

    @Test("what is undecided is attempted again until it is decided", arguments: 1...5)
    func undecided(times: Int) async throws {
        let attempts = Mutex(0)
        let queue = queue(repetitionTimeout: .seconds(60)) { writes in
            let attempt = attempts.withLock { attempts in
                attempts += 1
                return attempts
            }
            return writes.map {
                attempt <= times ? .undecided(CallError(.unavailable, "odd")) : .done($0.number)
            }
        }
        let write = Write(session: "s", number: 7)
        #expect(try await queue.submit(write, context: CallContext()) == 7)
        #expect(attempts.withLock { $0 } == times + 1)
        await queue.close()
    }

    @Test func what_stays_undecided_ends_with_its_error_and_holds_up_no_other() async throws {
        let queue = queue(repetitionTimeout: .milliseconds(300)) { writes in
            writes.map {
                $0.session == "odd" ? .undecided(CallError(.unavailable, "odd")) : .done($0.number)
            }
        }
        async let odd = errorCode {
            try await queue.submit(Write(session: "odd", number: 0), context: CallContext())
        }
        for number in 1...20 {
            let write = Write(session: "sound", number: number)
            #expect(try await queue.submit(write, context: CallContext()) == number)
        }
        #expect(await odd == .unavailable)
        await queue.close()
    }

    @Test func what_is_undecided_ends_with_its_error_when_its_caller_is_gone() async throws {
        let queue = queue(repetitionTimeout: .seconds(60)) { writes in
            writes.map { _ in .undecided(CallError(.unavailable, "odd")) }
        }
        let context = CallContext(deadline: .now + .milliseconds(100))
        let write = Write(session: "s", number: 0)
        #expect(
            await errorCode { try await queue.submit(write, context: context) }
                == .unavailable
        )
        await queue.close()
    }

    @Test func closing_waits_for_what_is_undecided_and_refuses_what_comes() async throws {
        let isDecided = Atomic(false)
        let queue = queue(repetitionTimeout: .seconds(60)) { writes in
            let isDecided = isDecided.load(ordering: .relaxed)
            return writes.map {
                isDecided ? .done($0.number) : .undecided(CallError(.unavailable, "odd"))
            }
        }
        let write = Write(session: "s", number: 3)
        let first = Task { try await queue.submit(write, context: CallContext()) }
        let closing = Task {
            while queue.waitingCount > 0 { await Task.yield() }
            try await Task.sleep(for: .milliseconds(20))
            await queue.close()
            return isDecided.load(ordering: .relaxed)
        }
        try await Task.sleep(for: .milliseconds(60))
        let code = await errorCode { try await queue.submit(write, context: CallContext()) }
        #expect(code == .unavailable)
        isDecided.store(true, ordering: .relaxed)
        #expect(try await first.value == 3)
        #expect(try await closing.value)
    }
}
