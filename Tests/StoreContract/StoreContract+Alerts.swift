import FeedbackCore
import FeedbackModel
import Testing

extension StoreContract {
    /// The further behaviours of a store that queues alerts.
    public static let alerting: [StoreBehaviour] = [
        alerts("an alert has its feedback and the counts", counts),
        alerts("ratings that a rule does not name are neither told nor counted", otherRatings),
        alerts("each rule has a queue of its own", rules),
        alerts("a repeated request_id queues nothing", replay),
        alerts("a refused add queues nothing", refused),
        alerts("a row is told at its length, once, in each session", rows),
        alerts("a share of all sessions is told when it passes the value", shares),
        alerts("concurrent adds are told once each, with ascending counts", concurrent),
        alerts("a delivered alert leaves the queue", delivered),
        alerts("a failed alert waits until it is due again", retried),
        alerts("a dead letter is kept, listed and made pending again", dead),
        alerts("outcomes of alerts that are gone change nothing", gone),
        alerts("queues are listed by page", pages),
        alerts("alerts are listed in the order of queueing, tried or not", order),
        alerts("a queue is found behind what others have left waiting", behind),
    ]

    private static let now = Timestamp.now
    private static let down = AlertRule(name: "down")

    private static func alerts(
        _ description: String,
        _ check: @escaping @Sendable (any AlertingStore) async throws -> Void
    ) -> StoreBehaviour {
        StoreBehaviour(description) { store in
            try await check(#require(store as? any AlertingStore))
        }
    }

    private static func counts(_ store: any AlertingStore) async throws {
        let added = try await store.tell([down], "a", .down, "no \u{1F44E}")
        try await store.tell([down], "a", .up)
        try await store.tell([down], "b", .down)
        try await store.tell([down], "a", .down)
        let alerts = try await store.queued(3, in: "down")
        #expect(alerts.map(\.alert.sessionID) == ["a", "b", "a"])
        #expect(alerts.map(\.alert.sessionCount) == [1, 1, 2])
        #expect(alerts.map(\.alert.totalCount) == [1, 2, 3])
        #expect(alerts.map(\.id) == alerts.map(\.id).sorted())
        let first = try #require(alerts.first)
        #expect(first.alert.feedbackID == added.id)
        #expect(first.alert.rule == "down")
        #expect(first.alert.rating == .down)
        #expect(first.alert.comment == "no \u{1F44E}")
        #expect(first.alert.createdAt == added.createdAt)
        #expect(first.attempts == 0)
        #expect(first.lastError.isEmpty)
        #expect(first.state == .pending(due: added.createdAt))
        #expect(try await store.outbox.nextDue(of: "down") == added.createdAt)
    }

    private static func otherRatings(_ store: any AlertingStore) async throws {
        let rule = AlertRule(name: "bad", ratings: [.down, .none])
        for rating in [Rating.up, .down, .up, .none] { try await store.tell([rule], "a", rating) }
        let alerts = try await store.queued(2, in: "bad")
        #expect(alerts.map(\.alert.rating) == [.down, .none])
        #expect(alerts.map(\.alert.sessionCount) == [1, 2])
    }

    private static func rules(_ store: any AlertingStore) async throws {
        let up = AlertRule(name: "up", ratings: [.up])
        try await store.tell([down, up], "a", .down)
        try await store.tell([down, up], "a", .up)
        #expect(try await store.queued(1, in: "down").map(\.alert.rating) == [.down])
        #expect(try await store.queued(1, in: "up").map(\.alert.rating) == [.up])
        #expect(try await store.outbox.nextDue(of: "other") == nil)
        #expect(try await store.outbox.list(dead: false, after: 0, limit: 9).totalSize == 2)
    }

    private static func replay(_ store: any AlertingStore) async throws {
        try await store.tell([down], "a", .down, requestID: "r")
        _ = try await store.queued(1, in: "down")
        try await store.tell([down], "a", .down, requestID: "r")
        try await store.tell([down], "b", .down)
        let alerts = try await store.queued(2, in: "down")
        #expect(alerts.map(\.alert.sessionID) == ["a", "b"])
    }

    private static func refused(_ store: any AlertingStore) async throws {
        let code = await errorCode {
            try await store.tell([down], "unknown", .down, missingSession: .reject)
        }
        #expect(code == .notFound)
        try await store.tell([down], "known", .down)
        #expect(try await store.queued(1, in: "down").map(\.alert.sessionID) == ["known"])
    }

    private static func rows(_ store: any AlertingStore) async throws {
        let rule = AlertRule(name: "row", condition: .inARow(2))
        // Alerts are due for the second feedback of a and, after the interruption, for the fourth
        // in its second run.
        for rating in [Rating.down, .down, .down, .up, .down, .down] {
            try await store.tell([rule], "a", rating)
            try await store.tell([rule], "b", .up)
        }
        try await store.tell([rule], "b", .down)
        let alerts = try await store.queued(2, in: "row")
        #expect(alerts.map(\.alert.sessionID) == ["a", "a"])
        #expect(alerts.map(\.alert.sessionCount) == [2, 5])
    }

    private static func shares(_ store: any AlertingStore) async throws {
        let rule = AlertRule(name: "share", condition: .share(ofLast: 4, above: 0.5))
        let ratings: [Rating] = [.down, .down, .up, .down, .down, .up, .up, .down, .down]
        for (index, rating) in ratings.enumerated() {
            try await store.tell([rule], "s\(index % 3)", rating)
        }
        // The shares of the last four are 3/4 at the fourth, then 3/4, 2/4, 2/4, 2/4, 2/4.
        let alerts = try await store.queued(1, in: "share")
        #expect(alerts.map(\.alert.sessionID) == ["s0"])
        #expect(alerts.map(\.alert.totalCount) == [3])
    }

    private static func concurrent(_ store: any AlertingStore) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask { try await store.tell([down], "s\(index % 4)", .down) }
            }
            try await group.waitForAll()
        }
        let alerts = try await store.queued(40, in: "down")
        #expect(Set(alerts.map(\.alert.feedbackID)).count == 40)
        #expect(Set(alerts.map(\.alert.totalCount)) == Set(1...40))
    }

    private static func delivered(_ store: any AlertingStore) async throws {
        for _ in 0..<3 { try await store.tell([down], "a", .down) }
        let alerts = try await store.queued(3, in: "down")
        try await store.outbox.settle([
            AlertOutcome(id: alerts[0].id, next: .delivered),
            AlertOutcome(id: alerts[2].id, next: .delivered),
        ])
        #expect(try await store.queued(1, in: "down") == [alerts[1]])
    }

    private static func retried(_ store: any AlertingStore) async throws {
        try await store.tell([down], "a", .down)
        try await store.tell([down], "b", .down)
        let alerts = try await store.queued(2, in: "down")
        let later = now.advanced(byMilliseconds: 3_600_000)
        try await store.outbox.settle([
            AlertOutcome(id: alerts[0].id, next: .retry(at: later, error: "HTTP status 500"))
        ])
        #expect(try await store.queued(1, in: "down").map(\.id) == [alerts[1].id])
        let due = try await store.outbox.due(of: "down", at: later, limit: 9)
        #expect(due.map(\.id) == [alerts[1].id, alerts[0].id], "the longest due first")
        #expect(due.last?.attempts == 1)
        #expect(due.last?.lastError == "HTTP status 500")
        #expect(try await store.outbox.due(of: "down", at: later, limit: 1).count == 1)
    }

    private static func dead(_ store: any AlertingStore) async throws {
        for _ in 0..<3 { try await store.tell([down], "a", .down) }
        let alerts = try await store.queued(3, in: "down")
        let outbox = store.outbox
        try await outbox.settle(
            alerts.map { AlertOutcome(id: $0.id, next: .dead(error: "given up")) }
        )
        #expect(try await outbox.nextDue(of: "down") == nil)
        let letters = try await outbox.list(dead: true, after: 0, limit: 9)
        #expect(letters.alerts.map(\.id) == alerts.map(\.id))
        #expect(letters.alerts.allSatisfy { $0.state == .dead && $0.lastError == "given up" })
        #expect(try await outbox.list(dead: false, after: 0, limit: 9).alerts.isEmpty)
        let later = now.advanced(byMilliseconds: 60_000)
        #expect(try await outbox.retry([alerts[1].id, alerts[1].id, 999_999], at: later) == 1)
        #expect(try await outbox.nextDue(of: "down") == later)
        let again = try await outbox.due(of: "down", at: later, limit: 9)
        #expect(again.map(\.id) == [alerts[1].id])
        #expect(again.first?.attempts == 0)
        #expect(again.first?.queuedAt == later)
        #expect(try await outbox.retry([], at: later) == 2)
        #expect(try await outbox.list(dead: true, after: 0, limit: 9).totalSize == 0)
    }

    private static func gone(_ store: any AlertingStore) async throws {
        try await store.tell([down], "a", .down)
        let alerts = try await store.queued(1, in: "down")
        try await store.outbox.settle([
            AlertOutcome(id: 999_999, next: .delivered),
            AlertOutcome(id: 999_998, next: .dead(error: "x")),
        ])
        #expect(try await store.queued(1, in: "down") == alerts)
    }

    private static func pages(_ store: any AlertingStore) async throws {
        for _ in 0..<5 { try await store.tell([down], "a", .down) }
        _ = try await store.queued(5, in: "down")
        let first = try await store.outbox.list(dead: false, after: 0, limit: 2)
        #expect(first.alerts.map(\.alert.sessionCount) == [1, 2])
        #expect(first.totalSize == 5)
        let last = try #require(first.alerts.last)
        let rest = try await store.outbox.list(dead: false, after: last.id, limit: 9)
        #expect(rest.alerts.map(\.alert.sessionCount) == [3, 4, 5])
    }

    private static func order(_ store: any AlertingStore) async throws {
        for _ in 0..<4 { try await store.tell([down], "a", .down) }
        let queued = try await store.queued(4, in: "down")
        let outbox = store.outbox
        try await outbox.settle([
            AlertOutcome(id: queued[2].id, next: .retry(at: now, error: "x")),
            AlertOutcome(id: queued[0].id, next: .retry(at: now, error: "x")),
        ])
        var listed: [Int64] = []
        while true {
            let page = try await outbox.list(dead: false, after: listed.last ?? 0, limit: 1)
            #expect(page.totalSize == 4)
            guard let alert = page.alerts.first else { break }
            listed.append(alert.id)
        }
        #expect(listed == queued.map(\.id))
    }

    private static func behind(_ store: any AlertingStore) async throws {
        let up = AlertRule(name: "up", ratings: [.up])
        let outbox = store.outbox
        for count in 1...3 {
            for _ in 0..<3 { try await store.tell([down, up], "a", .down) }
            try await store.tell([down, up], "a", .up)
            try await store.tell([down, up], "a", .up)
            let alerts = try await store.queued(2, in: "up")
            #expect(alerts.map(\.alert.sessionCount) == [2 * Int64(count) - 1, 2 * Int64(count)])
            #expect(try await outbox.nextDue(of: "up") == alerts.first?.alert.createdAt)
            // The alerts are delivered one after the other, so that the queue begins at another id
            // each time.
            for alert in alerts {
                try await outbox.settle([AlertOutcome(id: alert.id, next: .delivered)])
            }
            #expect(try await outbox.due(of: "up", at: .now, limit: 9).isEmpty)
            #expect(try await outbox.nextDue(of: "up") == nil)
        }
        #expect(try await store.queued(9, in: "down").count == 9)
    }
}

extension AlertingStore {
    /// Adds a feedback of the present time as the service would, with the rules.
    @discardableResult
    fileprivate func tell(
        _ rules: [AlertRule],
        _ sessionID: String,
        _ rating: Rating,
        _ comment: String = "",
        requestID: String = "",
        missingSession: MissingSessionPolicy = .create
    ) async throws -> Feedback {
        let draft = FeedbackDraft(
            sessionID: sessionID,
            rating: rating,
            comment: comment,
            requestID: requestID
        )
        let change = AcceptedChange(
            .add(draft),
            feedbackID: .ascending(),
            acceptedAt: .now,
            missingSession: missingSession,
            alertRules: rules
        )
        return try await commit(change, context: CallContext()).added().feedback
    }

    /// Returns the due alerts of the rule when there are as many as expected; a store may queue
    /// them after the add was answered.
    fileprivate func queued(_ count: Int, in rule: String) async throws -> [QueuedAlert] {
        var alerts: [QueuedAlert] = []
        // After the expected number is reached, the loop runs once more to find surplus alerts.
        for attempt in 0..<200 {
            let soon = Timestamp.now.advanced(byMilliseconds: 1)
            alerts = try await outbox.due(of: rule, at: soon, limit: 1_000)
            if alerts.count >= count, attempt > 0 { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(alerts.count == count)
        return alerts
    }
}
