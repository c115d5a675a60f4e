import Dispatch
import Foundation
import Synchronization
import Testing

@testable import RPC

@Suite("event loops")
struct EventLoopTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop(label: "test", limits: RPCLimits()) }

    @Test func what_many_threads_submit_runs_on_the_queue_one_after_the_other() async {
        let running = Atomic(0)
        let count = Atomic(0)
        let most = Atomic(0)
        let work: @Sendable () -> Void = {
            dispatchPrecondition(condition: .onQueue(loop.queue))
            let now = running.add(1, ordering: .relaxed).newValue
            _ = most.max(now, ordering: .relaxed)
            count.add(1, ordering: .relaxed)
            running.subtract(1, ordering: .relaxed)
        }
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<4 {
                tasks.addTask {
                    await onOwnThread { for _ in 0..<2_000 { loop.submit(work) } }
                }
            }
        }
        while count.load(ordering: .relaxed) < 8_000 { await Task.yield() }
        #expect(most.load(ordering: .relaxed) == 1)
    }

    @Test func a_task_of_the_loop_that_another_thread_resumes_goes_on_on_the_queue() async {
        let waiting = Mutex<UnsafeContinuation<Void, Never>?>(nil)
        let task = Task(executorPreference: loop) {
            await withUnsafeContinuation { continuation in
                waiting.withLock { $0 = continuation }
            }
            dispatchPrecondition(condition: .onQueue(loop.queue))
            return true
        }
        while true {
            if let continuation = waiting.withLock({ $0 }) {
                await onOwnThread { continuation.resume() }
                break
            }
            await Task.yield()
        }
        #expect(await task.value)
    }
}

/// Runs the body on a thread of its own.
private func onOwnThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        Thread {
            body()
            continuation.resume()
        }.start()
    }
}
