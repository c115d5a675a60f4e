import Testing

@testable import RPC

@Suite("messages of a streaming call")
struct CallMessagesTests {
    @Test func a_cancellation_that_comes_too_late_ends_no_later_wait() throws {
        let messages = CallMessages()
        let first = CallMessages.CancellationToken()
        var taken: [Result<[UInt8]?, any Error>] = []
        messages.add([1])
        messages.take(first) { taken.append($0) }
        messages.cancel(first)
        messages.take(CallMessages.CancellationToken()) { taken.append($0) }
        messages.add([2])
        #expect(try taken.map { try $0.get() } == [[1], [2]])
    }

    @Test func a_cancelled_wait_ends_whether_it_has_begun_or_not() {
        let messages = CallMessages()
        let takings = [CallMessages.CancellationToken(), CallMessages.CancellationToken()]
        var failures = 0
        let taker: CallMessages.RequestCompletion = { if case .failure = $0 { failures += 1 } }
        messages.take(takings[0], taker)
        messages.cancel(takings[0])
        messages.cancel(takings[1])
        messages.take(takings[1], taker)
        #expect(failures == 2)
    }
}
