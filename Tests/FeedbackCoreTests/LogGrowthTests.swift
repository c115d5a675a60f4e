import FeedbackCore
import Synchronization
import Testing

@Suite("waiting for a log to grow", .timeLimit(.minutes(5)))
struct LogGrowthTests {
    @Test(arguments: [1, 50]) func no_growth_is_missed_however_many_wait(_ waiters: Int) async {
        let growth = LogGrowth()
        let last = 500
        await withDiscardingTaskGroup { group in
            for _ in 0..<waiters {
                group.addTask {
                    var count = growth.count
                    while count < last {
                        await growth.wait(after: count, atMost: .seconds(3_600))
                        count = growth.count
                    }
                }
            }
            for _ in 0..<last {
                growth.signal()
                await Task.yield()
            }
        }
        #expect(growth.count == last)
    }

    @Test func a_cancelled_task_waits_no_longer() async {
        let growth = LogGrowth()
        let task = Task { await growth.wait(after: 0, atMost: .seconds(3_600)) }
        task.cancel()
        await task.value
        #expect(growth.count == 0)
    }

    @Test func what_others_write_is_looked_for_while_anybody_waits() async {
        let growth = LogGrowth()
        let looks = Counter()
        await withDiscardingTaskGroup { group in
            for _ in 0..<3 {
                group.addTask {
                    while looks.count < 3 {
                        let count = growth.count
                        await growth.wait(after: count, atMost: .seconds(3_600)) {
                            Int64(looks.next())
                        }
                    }
                }
            }
        }
        #expect(looks.count >= 3)
    }

    private final class Counter: Sendable {
        private let value = Atomic(0)

        var count: Int { value.load(ordering: .sequentiallyConsistent) }

        func next() -> Int { value.add(1, ordering: .sequentiallyConsistent).newValue }
    }
}
