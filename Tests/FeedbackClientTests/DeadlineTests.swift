import FeedbackClient
import FeedbackCore
import FeedbackModel
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("deadlines and cancellation")
struct DeadlineTests {
    /// A hook that holds calls until the gate is open and the call is no longer wanted, and then
    /// passes them on.
    private final class Stall: Sendable {
        let gate = Gate()
        private let outcomes = Mutex<[CallError.Code?]>([])

        /// The error codes with which the store refused the calls; nil for calls that it stored.
        var storageOutcomes: [CallError.Code?] { outcomes.withLock { $0 } }

        var hook: AddHook { AddHook(pass) }

        @Sendable func pass(
            _ draft: FeedbackDraft,
            _ context: HookContext,
            _ next: AddHook.Next
        ) async throws -> AddedFeedback {
            await gate.pass()
            let isDropped = await eventually { context.call.dropError != nil }
            #expect(isDropped)
            do {
                let added = try await next(draft)
                outcomes.withLock { $0.append(nil) }
                return added
            } catch {
                outcomes.withLock { $0.append((error as? CallError)?.code) }
                throw error
            }
        }
    }

    @Test(arguments: Way.allCases)
    func a_call_past_its_deadline_ends_and_is_not_stored_later(_ way: Way) async throws {
        let stall = Stall()
        try await withClient(way, hooks: [stall.hook]) { client async throws in
            let error = await failure {
                try await client.addFeedback(
                    FeedbackDraft(sessionID: "s"),
                    timeout: .milliseconds(30)
                )
            }
            #expect(error?.code == .deadlineExceeded)
            stall.gate.open()
            #expect(await eventually { !stall.storageOutcomes.isEmpty })
            #expect(stall.storageOutcomes == [.deadlineExceeded])
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func the_client_s_own_timeout_holds_when_a_call_names_none(_ way: Way) async throws {
        let stall = Stall()
        var options = FeedbackClient.Options.forTests
        options.timeout = .milliseconds(30)
        try await withClient(way, hooks: [stall.hook], options: options) { client async throws in
            let error = await failure { try await client.addFeedback(sessionID: "s") }
            #expect(error?.code == .deadlineExceeded)
            stall.gate.open()
            let page = try await client.listFeedbacks(timeout: .seconds(60))
            #expect(page.totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func other_calls_are_served_while_one_is_held_up(_ way: Way) async throws {
        let stall = Stall()
        let hook = AddHook { draft, context, next in
            if draft.comment != "stall" { return try await next(draft) }
            return try await stall.pass(draft, context, next)
        }
        try await withClient(way, hooks: [hook]) { client async throws in
            let held = Task { try await client.addFeedback(sessionID: "s", comment: "stall") }
            await stall.gate.waiting(1)
            for _ in 0..<10 { try await client.addFeedback(sessionID: "s") }
            #expect(try await client.listFeedbacks().totalSize == 10)
            held.cancel()
            await expectFailure(.cancelled) { _ = try await held.value }
            client.close()
            stall.gate.open()
        }
    }

    @Test(arguments: Way.allCases)
    func a_cancelled_task_stops_waiting(_ way: Way) async throws {
        let stall = Stall()
        try await withClient(way, hooks: [stall.hook]) { client async throws in
            let task = Task { try await client.addFeedback(sessionID: "s") }
            await stall.gate.waiting(1)
            task.cancel()
            await expectFailure(.cancelled) { _ = try await task.value }
            #expect(try await client.listFeedbacks().totalSize == 0)
            client.close()
            stall.gate.open()
        }
    }

    @Test func a_cancelled_call_within_the_process_is_not_stored_later() async throws {
        let stall = Stall()
        try await withClient(.inProcess, hooks: [stall.hook]) { client async throws in
            let task = Task { try await client.addFeedback(sessionID: "s") }
            await stall.gate.waiting(1)
            task.cancel()
            await expectFailure(.cancelled) { _ = try await task.value }
            stall.gate.open()
            #expect(await eventually { !stall.storageOutcomes.isEmpty })
            #expect(stall.storageOutcomes == [.cancelled])
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func a_task_that_was_cancelled_before_stores_nothing(_ way: Way) async throws {
        try await withClient(way) { client async throws in
            let gate = Gate()
            let task = Task {
                await gate.pass()
                try await client.addFeedback(sessionID: "s")
            }
            task.cancel()
            gate.open()
            await expectFailure(.cancelled) { try await task.value }
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func a_pause_between_attempts_ends_with_the_task(_ way: Way) async throws {
        let attempts = Counter()
        let unavailable = AddHook { _, _, _ in
            attempts.increment()
            throw CallError(.unavailable, "not now")
        }
        var options = FeedbackClient.Options.forTests
        options.timeout = .seconds(3_600)
        options.backoff = .seconds(1_800)
        try await withClient(way, hooks: [unavailable], options: options) { client async throws in
            let task = Task { try await client.addFeedback(sessionID: "s") }
            #expect(await eventually { attempts.count == 1 })
            task.cancel()
            await expectFailure(.cancelled) { _ = try await task.value }
            #expect(attempts.count == 1)
        }
    }

    @Test(arguments: Way.allCases, [Duration.zero, .seconds(-1), .nanoseconds(Int64.min)])
    func a_timeout_that_is_none_stores_nothing(_ way: Way, _ timeout: Duration) async throws {
        try await withClient(way) { client async throws in
            let error = await failure {
                try await client.addFeedback(FeedbackDraft(sessionID: "s"), timeout: timeout)
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(try await client.listFeedbacks().totalSize == 0)
        }
    }

    @Test(arguments: Way.allCases, [Duration.seconds(86_400 * 365), .seconds(1_000_000_000_000)])
    func a_timeout_of_ages_is_no_trouble(_ way: Way, _ timeout: Duration) async throws {
        try await withClient(way) { client async throws in
            try await client.addFeedback(FeedbackDraft(sessionID: "s"), timeout: timeout)
            #expect(try await client.listFeedbacks(timeout: timeout).totalSize == 1)
        }
    }
}
