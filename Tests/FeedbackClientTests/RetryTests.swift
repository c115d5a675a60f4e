import FeedbackClient
import FeedbackCore
import FeedbackModel
import FeedbackServer
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("repeated attempts")
struct RetryTests {
    /// A hook that fails the first calls, before or after they are stored.
    private final class Failing: Sendable {
        private let seen = Mutex<[String]>([])
        private let failures: Int
        private let code: CallError.Code
        private let afterStorage: Bool

        init(first failures: Int, with code: CallError.Code, afterStorage: Bool = false) {
            self.failures = failures
            self.code = code
            self.afterStorage = afterStorage
        }

        /// The request_id of each attempt.
        var requestIDs: [String] { seen.withLock { $0 } }

        var hook: AddHook {
            AddHook { [self] draft, _, next in
                let attempt = seen.withLock { seen in
                    seen.append(draft.requestID)
                    return seen.count
                }
                if attempt > failures { return try await next(draft) }
                if afterStorage { _ = try await next(draft) }
                throw CallError(code, "not now")
            }
        }
    }

    @Test(arguments: Way.allCases, 0...4)
    func an_unavailable_service_is_asked_again(_ way: Way, _ failures: Int) async throws {
        let failing = Failing(first: failures, with: .unavailable)
        try await withClient(way, hooks: [failing.hook]) { client async throws in
            let added = try await client.addFeedback(sessionID: "s", rating: .up)
            #expect(!added.replayed)
            #expect(failing.requestIDs.count == failures + 1)
            #expect(Set(failing.requestIDs).count == 1)
            #expect(failing.requestIDs.first?.isEmpty == false)
            #expect(try await client.listFeedbacks().totalSize == 1)
        }
    }

    @Test(arguments: Way.allCases)
    func what_was_stored_without_an_answer_is_not_stored_again(_ way: Way) async throws {
        let failing = Failing(first: 2, with: .unavailable, afterStorage: true)
        try await withClient(way, hooks: [failing.hook]) { client async throws in
            let added = try await client.addFeedback(sessionID: "s", rating: .up)
            #expect(added.replayed)
            #expect(failing.requestIDs.count == 3)
            let page = try await client.listFeedbacks()
            #expect(page.totalSize == 1)
            #expect(page.feedbacks.first?.id == added.feedback.id)
        }
    }

    @Test(arguments: Way.allCases, [1, 3])
    func the_attempts_end_with_the_last_allowed(_ way: Way, _ attemptsMax: Int) async throws {
        let failing = Failing(first: .max, with: .unavailable)
        var options = FeedbackClient.Options.forTests
        options.attemptsMax = attemptsMax
        try await withClient(way, hooks: [failing.hook], options: options) { client async throws in
            let error = await failure { try await client.addFeedback(sessionID: "s") }
            #expect(error?.code == .unavailable)
            #expect(error?.message == "not now")
            #expect(failing.requestIDs.count == attemptsMax)
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func no_attempt_begins_when_its_pause_would_outlast_the_deadline(_ way: Way) async throws {
        let failing = Failing(first: .max, with: .unavailable)
        var options = FeedbackClient.Options.forTests
        options.backoff = .seconds(3_600)
        options.backoffMax = .seconds(3_600)
        try await withClient(way, hooks: [failing.hook], options: options) { client async throws in
            let error = await failure { try await client.addFeedback(sessionID: "s") }
            #expect(error?.code == .unavailable)
            #expect(failing.requestIDs.count == 1)
        }
    }

    @Test(arguments: Way.allCases)
    func a_deadline_in_a_later_attempt_says_why_the_one_before_failed(_ way: Way) async throws {
        let attempts = Counter()
        let hook = AddHook { draft, context, next in
            if attempts.increment() == 1 { throw CallError(.unavailable, "not now") }
            let isDropped = await eventually { context.call.dropError != nil }
            #expect(isDropped)
            return try await next(draft)
        }
        var options = FeedbackClient.Options.forTests
        options.timeout = .seconds(1)
        try await withClient(way, hooks: [hook], options: options) { client async throws in
            let error = await failure { try await client.addFeedback(sessionID: "s") }
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.message.hasSuffix("; the attempt before: not now") == true)
            #expect(attempts.count == 2)
        }
    }

    @Test(
        arguments: Way.allCases,
        CallError.Code.allCases.filter { $0 != .unavailable }
    )
    func any_other_failure_is_final(_ way: Way, _ code: CallError.Code) async throws {
        let failing = Failing(first: .max, with: code)
        try await withClient(way, hooks: [failing.hook]) { client async throws in
            let error = await failure { try await client.addFeedback(sessionID: "s") }
            #expect(error?.code == code)
            #expect(failing.requestIDs.count == 1)
        }
    }

    @Test(arguments: Way.allCases)
    func every_call_without_a_request_id_gets_its_own(_ way: Way) async throws {
        let watching = Failing(first: 0, with: .unavailable)
        try await withClient(way, hooks: [watching.hook]) { client async throws in
            for _ in 0..<20 { try await client.addFeedback(sessionID: "s") }
            #expect(Set(watching.requestIDs).count == 20)
            #expect(try await client.listFeedbacks().totalSize == 20)
        }
    }

    @Test(arguments: Way.allCases)
    func a_draft_s_own_request_id_answers_with_the_original(_ way: Way) async throws {
        let watching = Failing(first: 0, with: .unavailable)
        try await withClient(way, hooks: [watching.hook]) { client async throws in
            var draft = FeedbackDraft(sessionID: "s", rating: .up, requestID: "mine")
            let first = try await client.addFeedback(draft)
            draft.rating = .down
            draft.comment = "another"
            let second = try await client.addFeedback(draft)
            #expect(!first.replayed)
            #expect(second.replayed)
            #expect(second.feedback == first.feedback)
            draft.sessionID = "t"
            #expect(try await client.addFeedback(draft).replayed == false)
            #expect(watching.requestIDs == ["mine", "mine", "mine"])
            #expect(try await client.listFeedbacks().totalSize == 2)
        }
    }

    // MARK: - The connection

    @Test func nobody_at_the_socket_is_unavailable() async throws {
        let folder = try TemporaryFolder()
        let client = try FeedbackClient(socket: folder.path("none.sock"), options: .forTests)
        await expectFailure(.unavailable) { try await client.connect() }
        await expectFailure(.unavailable) { _ = try await client.isServing() }
        await expectFailure(.unavailable) { _ = try await client.listFeedbacks() }
        withExtendedLifetime(folder) {}
    }

    @Test func a_server_that_starts_late_is_found() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("feedbackd.sock")
        let client = try FeedbackClient(socket: path, options: .forTests)
        await expectFailure(.unavailable) { try await client.connect() }
        let server = try FeedbackServer.started(at: path)
        try await client.addFeedback(sessionID: "s")
        client.close()
        try await server.stop()
        withExtendedLifetime(folder) {}
    }

    @Test func a_server_that_was_restarted_is_found_again() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("feedbackd.sock")
        let first = try FeedbackServer.started(at: path)
        let client = try FeedbackClient(socket: path, options: .forTests)
        try await client.addFeedback(sessionID: "s", comment: "first")
        try await first.stop()
        let second = try FeedbackServer.started(at: path)
        let added = try await client.addFeedback(sessionID: "s", comment: "second")
        #expect(!added.replayed)
        #expect(try await client.listFeedbacks().feedbacks.map(\.comment) == ["second"])
        client.close()
        try await second.stop()
        withExtendedLifetime(folder) {}
    }

    @Test func a_call_that_a_restart_cuts_off_is_made_again() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("feedbackd.sock")
        let gate = Gate()
        let stalling = AddHook { draft, _, next in
            await gate.pass()
            return try await next(draft)
        }
        let first = try FeedbackServer.started(at: path, hooks: [stalling], drainTimeout: .zero)
        var options = FeedbackClient.Options.forTests
        options.attemptsMax = .max
        let client = try FeedbackClient(socket: path, options: options)
        let call = Task { try await client.addFeedback(sessionID: "s", comment: "once") }
        await gate.waiting(1)
        try await first.stop()
        let watching = Failing(first: 0, with: .unavailable)
        let second = try FeedbackServer.started(at: path, hooks: [watching.hook])
        #expect(try await call.value.replayed == false)
        #expect(watching.requestIDs.count == 1)
        #expect(try await client.listFeedbacks().feedbacks.map(\.comment) == ["once"])
        gate.open()
        client.close()
        try await second.stop()
        withExtendedLifetime(folder) {}
    }

    @Test func a_closed_client_ends_its_calls_and_connects_anew_for_the_next() async throws {
        let gate = Gate()
        let stalling = AddHook { draft, _, next in
            if draft.comment == "stall" { await gate.pass() }
            return try await next(draft)
        }
        try await withClient(.socket, hooks: [stalling]) { client async throws in
            let call = Task { try await client.addFeedback(sessionID: "s", comment: "stall") }
            await gate.waiting(1)
            client.close()
            await expectFailure(.cancelled) { _ = try await call.value }
            try await client.addFeedback(sessionID: "s")
            gate.open()
        }
    }
}
