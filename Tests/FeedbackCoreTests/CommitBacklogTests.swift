import FeedbackModel
import Testing

@testable import FeedbackCore

/// The batches that several writers get.
struct CommitBacklogTests {
    private let backlog = Backlog()

    @Test func what_comes_first_is_taken_alone() {
        backlog.append(0..<1)
        #expect(backlog.takeBatch()?.elements == [0])
        #expect(backlog.takeBatch() == nil)
    }

    @Test func a_session_that_is_being_written_to_keeps_its_order() throws {
        backlog.append(0..<2, session: "s")
        let first = try #require(backlog.takeBatch())
        #expect(first.elements == [0, 1])
        backlog.append(2..<3, session: "s")
        backlog.append(3..<4, session: "t")
        backlog.append(4..<5, session: "s")
        #expect(backlog.isBusy("s"))
        let second = try #require(backlog.takeBatch())
        #expect(second.elements == [3])
        #expect(backlog.takeBatch() == nil)
        backlog.finish(second)
        #expect(backlog.takeBatch() == nil)
        backlog.finish(first)
        #expect(backlog.takeBatch()?.elements == [2, 4])
    }

    @Test func a_batch_takes_no_more_than_its_limit_and_the_rest_keeps_its_order() throws {
        backlog.append(0..<12, session: "s")
        backlog.append(12..<13)
        let first = try #require(backlog.takeBatch())
        #expect(first.elements == Array(0..<10))
        // The rest of the session's writes has to wait for the batch with its first ones.
        #expect(backlog.waitingCount == 3)
        #expect(backlog.takeBatch() == nil)
        backlog.append(13..<14)
        #expect(backlog.takeBatch()?.elements == [12, 13])
        backlog.finish(first)
        #expect(backlog.takeBatch()?.elements == [10, 11])
    }

    @Test func a_second_batch_is_a_third_as_long_as_the_first_or_waits_for_its_end() throws {
        backlog.append(0..<9)
        let first = try #require(backlog.takeBatch())
        backlog.append(9..<11)
        #expect(!backlog.shouldStartBatch)
        #expect(backlog.takeBatch() == nil)
        backlog.append(11..<12)
        let second = try #require(backlog.takeBatch())
        #expect(second.elements == [9, 10, 11])
        backlog.append(12..<13)
        backlog.finish(second)
        #expect(backlog.takeBatch() == nil)
        backlog.finish(first)
        #expect(backlog.takeBatch()?.elements == [12])
    }
}

/// A backlog of numbers; an object, since the test macros do not allow mutating calls.
private final class Backlog {
    private var backlog = CommitBacklog<Int>(batchLengthMax: 10)

    var shouldStartBatch: Bool { backlog.shouldStartBatch }

    var waitingCount: Int { backlog.waitingCount }

    func isBusy(_ session: String) -> Bool { backlog.isBusy(session) }

    /// Appends numbers to the session, or each number to a session of its own.
    func append(_ numbers: Range<Int>, session: String? = nil) {
        for number in numbers {
            backlog.append(number, session: session ?? "of \(number)")
        }
    }

    func takeBatch() -> CommitBacklog<Int>.Batch? { backlog.takeBatch() }

    func finish(_ batch: CommitBacklog<Int>.Batch) { backlog.finish(batch) }
}
