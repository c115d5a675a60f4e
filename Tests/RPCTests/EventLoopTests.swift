import Dispatch
import Foundation
import Glibc
import Synchronization
import Testing

@testable import RPC

@Suite("event loops and those who visit them")
struct EventLoopTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop(label: "test", limits: RPCLimits()) }

    /// A task of the loop that waits to be resumed and then says on which thread it went on.
    private func waitingTask() async -> (Task<pthread_t, Never>, UnsafeContinuation<Void, Never>) {
        let waiting = Mutex<UnsafeContinuation<Void, Never>?>(nil)
        let task = Task(executorPreference: loop) {
            await withUnsafeContinuation { continuation in
                waiting.withLock { $0 = continuation }
            }
            return pthread_self()
        }
        while true {
            if let continuation = waiting.withLock({ $0 }) { return (task, continuation) }
            await Task.yield()
        }
    }

    @Test func a_visitor_goes_on_with_what_it_resumes() async {
        let (task, continuation) = await waitingTask()
        let visitor = await onOwnThread {
            loop.visit { continuation.resume() }
            return pthread_self()
        }
        #expect(await task.value == visitor)
    }

    @Test func a_visitor_that_comes_during_a_turn_leaves_what_it_resumes_to_the_loop() async {
        let (task, continuation) = await waitingTask()
        let isInTurn = DispatchSemaphore(value: 0)
        let turnMayEnd = DispatchSemaphore(value: 0)
        let loopThread = Mutex<pthread_t>(0)
        loop.submit {
            loopThread.withLock { $0 = pthread_self() }
            isInTurn.signal()
            turnMayEnd.wait()
        }
        await onOwnThread {
            isInTurn.wait()
            loop.visit { continuation.resume() }
            turnMayEnd.signal()
        }
        #expect(await task.value == loopThread.withLock { $0 })
    }

    @Test func who_attends_does_what_comes_in() async {
        // The loop's own worker would be woken, too.
        loop.queue.suspend()
        let isDone = Atomic(false)
        let isWanted: @Sendable () -> Bool = { !isDone.load(ordering: .acquiring) }
        let attending = Task {
            await onOwnThread {
                loop.attend(while: isWanted)
                return pthread_self()
            }
        }
        let (task, continuation) = await waitingTask()
        continuation.resume()
        let thread = await task.value
        isDone.store(true, ordering: .releasing)
        #expect(await attending.value == thread)
        loop.queue.resume()
    }

    @Test func turns_of_visitors_and_of_the_loop_never_meet() async {
        let inTurn = Atomic(0)
        let turns = Atomic(0)
        let most = Atomic(0)
        let work: @Sendable () -> Void = {
            loop.preconditionInTurn()
            let now = inTurn.add(1, ordering: .relaxed).newValue
            _ = most.max(now, ordering: .relaxed)
            turns.add(1, ordering: .relaxed)
            inTurn.subtract(1, ordering: .relaxed)
        }
        let isBeforeHalf: @Sendable () -> Bool = { turns.load(ordering: .relaxed) < 4_000 }
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                await onOwnThread {
                    loop.attend(while: isBeforeHalf)
                }
            }
            for _ in 0..<4 {
                tasks.addTask {
                    await onOwnThread {
                        for number in 0..<2_000 {
                            if number % 2 == 0 {
                                loop.visit { loop.submit(work) }
                            } else {
                                loop.submit(work)
                            }
                        }
                    }
                }
            }
        }
        // What visitors left behind, the loop does without being rung again.
        while turns.load(ordering: .relaxed) < 8_000 { await Task.yield() }
        #expect(most.load(ordering: .relaxed) == 1)
    }
}

/// Runs the body on a thread that nobody else uses.
private func onOwnThread<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
        Thread { continuation.resume(returning: body()) }.start()
    }
}
