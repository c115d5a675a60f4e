import FeedbackCore
import FeedbackHooks
import FeedbackModel
import Synchronization
import Testing

/// The five example hooks in the documentation of the Python library feedback-system, as a Swift
/// user would write them.
///
/// Two effects come later than in that library: alerts and counts wait until the feedback is
/// stored, so that none is about feedback that was not stored.
@Suite("the guide's examples")
struct GuideExamplesTests {
    private let log = LogLines()

    // MARK: - Example 1: audit

    private var audit: ClosureHook {
        ClosureHook { [log] change, context, next in
            guard let feedback = change.draft else { return try await next(change) }
            log.add("[FEEDBACK AUDIT] Session: \(context.sessionID)")
            log.add("[FEEDBACK AUDIT] Rating: \(feedback.rating)")
            log.add("[FEEDBACK AUDIT] Comment: \(feedback.comment)")
            let outcome = try await next(change)
            log.add("[FEEDBACK AUDIT] Saved successfully")
            return outcome
        }
    }

    @Test("1: the audit speaks before and after the storage")
    func auditing() async throws {
        try await Adding(audit).add("Great!", rating: .up, session: "user-123")
        #expect(
            log.all == [
                "[FEEDBACK AUDIT] Session: user-123", "[FEEDBACK AUDIT] Rating: up",
                "[FEEDBACK AUDIT] Comment: Great!", "[FEEDBACK AUDIT] Saved successfully",
            ]
        )
    }

    @Test("1: the audit does not call a failure a success")
    func auditingFailures() async throws {
        let broken = ClosureHook { _, _, _ in throw CallError(.unavailable, "no database") }
        let adding = Adding(audit, broken)
        #expect(await adding.failure("Great!")?.code == .unavailable)
        #expect(log.all.count == 3)
    }

    // MARK: - Example 2: validation

    private var validation: ClosureHook {
        ClosureHook { change, _, next in
            guard case .add(var feedback) = change else { return try await next(change) }
            let trimmed = feedback.comment.trimmed
            if feedback.rating == .down, trimmed.isEmpty {
                throw CallError(
                    .invalidArgument,
                    "Please provide a comment with negative feedback"
                )
            }
            let length = feedback.comment.unicodeScalars.count
            if length > 1_000 {
                throw CallError(
                    .invalidArgument,
                    "Comment too long: \(length) chars (max: 1000)"
                )
            }
            feedback.comment = trimmed
            feedback.attributes["_validated_at"] = Timestamp.now.description
            return try await next(.add(feedback))
        }
    }

    /// The built-in hook with the same rule.
    private var builtIn: ValidationHook {
        get throws {
            var options = ValidationHook.Options()
            options.requireCommentOn = [.down]
            return try ValidationHook(options)
        }
    }

    @Test("2: validation refuses, trims and stamps, written by hand or from the box")
    func validating() async throws {
        for hook in [validation, try builtIn] as [any FeedbackHook] {
            let adding = Adding(hook)
            let stored = try await adding.add(" The response was incomplete ", rating: .down)
            #expect(stored.comment == "The response was incomplete")
            #expect(stored.draft.attributes["_validated_at"] != nil)
            #expect(
                await adding.failure("", rating: .down)?.message
                    == "Please provide a comment with negative feedback"
            )
            #expect(
                await adding.failure(String(repeating: "x", count: 1_001))?.message
                    == "Comment too long: 1001 chars (max: 1000)"
            )
            #expect(try await adding.stored.count == 1)
        }
    }

    // MARK: - Example 3: notification

    /// A hook that alerts on negative feedback after it is stored.
    private final class Notification: FeedbackHook {
        private let counts = Mutex<[String: Int]>([:])
        private let log: LogLines

        init(_ log: LogLines) { self.log = log }

        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            let outcome = try await next(change)
            guard case .added(let added) = outcome, added.feedback.rating == .down,
                !added.replayed
            else { return outcome }
            let session = context.sessionID
            let count = counts.withLock { counts in
                counts[session, default: 0] += 1
                return counts[session, default: 0]
            }
            log.add("[ALERT] Negative feedback for session \(session)")
            log.add("[ALERT] Count: \(count)")
            log.add("[ALERT] Comment: \(added.feedback.comment)")
            return outcome
        }
    }

    @Test("3: negative feedback alone alerts, with its session's count")
    func notifying() async throws {
        let adding = Adding(Notification(log))
        try await adding.add("Fine", rating: .up, session: "user-123")
        #expect(log.all.isEmpty)
        try await adding.add("Other", rating: .down, session: "user-124")
        try await adding.add("The code had syntax errors", rating: .down, session: "user-123")
        #expect(
            log.all.suffix(3) == [
                "[ALERT] Negative feedback for session user-123", "[ALERT] Count: 1",
                "[ALERT] Comment: The code had syntax errors",
            ]
        )
    }

    @Test("3: feedback that is not stored alerts nobody")
    func notifyingFailures() async throws {
        let broken = ClosureHook { _, _, _ in throw CallError(.unavailable, "no database") }
        #expect(await Adding(Notification(log), broken).failure("", rating: .down) != nil)
        #expect(log.all.isEmpty)
    }

    // MARK: - Example 4: analytics

    /// A hook that counts feedback after it is stored.
    private final class Analytics: FeedbackHook {
        struct Metrics: Equatable {
            var total = 0
            var positive = 0
            var negative = 0
            var neutral = 0
            var averageCommentLength = 0.0
        }

        private let state = Mutex(Metrics())

        var metrics: Metrics { state.withLock { $0 } }

        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            let outcome = try await next(change)
            guard let feedback = outcome.feedback else { return outcome }
            let length = Double(feedback.comment.unicodeScalars.count)
            state.withLock { metrics in
                metrics.total += 1
                switch feedback.rating {
                case .up: metrics.positive += 1
                case .down: metrics.negative += 1
                case .none: metrics.neutral += 1
                }
                metrics.averageCommentLength +=
                    (length - metrics.averageCommentLength) / Double(metrics.total)
            }
            return outcome
        }
    }

    @Test("4: metrics count what is stored, as the store itself does")
    func counting() async throws {
        let analytics = Analytics()
        let adding = Adding(try builtIn, analytics)
        try await adding.add("Excellent!", rating: .up)
        try await adding.add("Could be better", rating: .down)
        try await adding.add("Thanks!", rating: .up)
        #expect(await adding.failure("", rating: .down) != nil)
        let metrics = analytics.metrics
        #expect(metrics.total == 3 && metrics.positive == 2 && metrics.negative == 1)
        #expect(metrics.neutral == 0)
        let stored = try await adding.service.metrics(MetricsQuery()).metrics
        #expect(stored.total == 3)
        #expect(abs(stored.averageCommentLength - metrics.averageCommentLength) < 1e-9)
        #expect(abs(stored.satisfactionRate - 200.0 / 3) < 1e-9)
    }

    // MARK: - Example 5: combined

    @Test("5: feedback goes through validation, audit, notification and storage, and back")
    func combined() async throws {
        let adding = Adding(validation, audit, Notification(log))
        let stored = try await adding.add(
            " The response was unclear ",
            rating: .down,
            session: "user-123"
        )
        #expect(stored.comment == "The response was unclear")
        // The audit hook saw the result of the validation. The alert comes from the innermost hook:
        // after the storage, and before the last message of the audit.
        #expect(
            log.all == [
                "[FEEDBACK AUDIT] Session: user-123", "[FEEDBACK AUDIT] Rating: down",
                "[FEEDBACK AUDIT] Comment: The response was unclear",
                "[ALERT] Negative feedback for session user-123", "[ALERT] Count: 1",
                "[ALERT] Comment: The response was unclear",
                "[FEEDBACK AUDIT] Saved successfully",
            ]
        )
    }

    @Test("5: what the outermost hook refuses, no other sees")
    func combinedRefusal() async throws {
        let adding = Adding(validation, audit, Notification(log))
        #expect(await adding.failure(" ", rating: .down)?.code == .invalidArgument)
        #expect(log.all.isEmpty)
        #expect(try await adding.stored.isEmpty)
    }

    @Test("5: the same hook twice with different settings")
    func twice() async throws {
        var short = ValidationHook.Options()
        short.commentMax = 5
        let adding = Adding(try builtIn, try ValidationHook(short))
        #expect(
            await adding.failure("too long")?.message == "Comment too long: 8 chars (max: 5)"
        )
        #expect(await adding.failure("", rating: .down) != nil)
        // The second hook measures the comment that the first has trimmed.
        try await adding.add("   short   ")
    }
}

extension String {
    fileprivate var trimmed: String {
        guard let start = firstIndex(where: { !$0.isWhitespace }),
            let end = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[start...end])
    }
}
