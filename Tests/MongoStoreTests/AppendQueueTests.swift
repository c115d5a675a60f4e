import FeedbackCore
import FeedbackModel
import Testing

@testable import MongoStore

@Suite("the queue of appends")
struct AppendQueueTests {
    private let queue = AppendQueue(
        label: "test",
        writerCount: 2,
        limits: GroupCommitLimits()
    ) { appends in
        appends.map { .success(AddedFeedback(feedback: $0.feedback, replayed: false)) }
    }

    private func submit(_ session: String, _ comment: String) async throws -> String {
        let append = Append(
            feedback: Feedback(
                id: FeedbackID(high: 0, low: 1),
                draft: FeedbackDraft(sessionID: session, comment: comment),
                createdAt: Timestamp(millisecondsSinceEpoch: 0)
            ),
            missingSession: .create,
            context: CallContext(),
            arrivedAt: .now
        )
        return try await queue.submit(append).feedback.draft.comment
    }

    /// With callers that come back at once, as with such that do not, alone and at the same time.
    @Test(arguments: [0, 1], [1, 3])
    func writers_that_wait_for_more_take_what_comes_and_end(
        pauseMilliseconds: Int,
        callerCount: Int
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { callers in
            for caller in 0..<callerCount {
                callers.addTask {
                    for number in 0..<200 {
                        let comment = "\(caller) \(number)"
                        #expect(try await submit("\(caller)", comment) == comment)
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
}
