internal import FeedbackModel

/// Keeps what an alert rule needs to know from batch to batch, so that a cursor far behind does not
/// count the feedback anew for each change.
///
/// What is kept is valid as long as only new feedback is passed; anything else makes it be counted
/// again.
struct AlertTallies {
    /// The maximum number of sessions that are kept from batch to batch.
    private static let sessionsMax = 1_024

    private let rule: AlertRule
    /// The number up to which the tallies count.
    private var upTo: Int64?
    private var all = Tally(count: 0, newest: [])
    private var sessions: [ExactText: Tally] = [:]

    init(_ rule: AlertRule) { self.rule = rule }

    /// Returns the alerts about the changes of a batch that follows `number`.
    mutating func alerts(
        about changes: [CursorChange],
        after number: Int64,
        readUpTo: Int64,
        _ store: any CursorStore
    ) async throws -> [(change: CursorChange, alert: Alert)] {
        let isPlain = changes.allSatisfy { $0.kind == .added }
        if !isPlain { upTo = nil }
        try await prepare(for: changes, after: number, store)
        var alerts: [(change: CursorChange, alert: Alert)] = []
        for change in changes where change.sequence > number {
            let session = ExactText(change.feedback.sessionID)
            append(change.feedback.rating, to: &all, newestMax: allMax)
            guard var tally = sessions[session] else { continue }
            append(change.feedback.rating, to: &tally, newestMax: sessionMax)
            sessions[session] = tally
            guard isTold(change) else { continue }
            // Feedback without an id cannot be named in an alert.
            let newest = if case .share = rule.condition { all.newest } else { tally.newest }
            guard change.feedback.id != nil, rule.isMet(by: newest) else { continue }
            alerts.append((change, alert(about: change, session: tally, all: all)))
        }
        upTo = isPlain ? readUpTo : nil
        return alerts
    }

    /// Returns the alert about a feedback whose delivery was begun before, counted anew.
    func alert(about change: CursorChange, _ store: any CursorStore) async throws -> Alert {
        let tallies = try await store.tallies(
            [query(of: change.feedback.sessionID, 0), query(of: nil, 0)],
            upTo: change.number
        )
        return alert(about: change, session: tallies[0], all: tallies[1])
    }

    private mutating func prepare(
        for changes: [CursorChange],
        after number: Int64,
        _ store: any CursorStore
    ) async throws {
        let isFirst = upTo != number
        if isFirst || sessions.count > Self.sessionsMax { sessions = [:] }
        var missing: [ExactText] = []
        var seen: Set<ExactText> = []
        for change in changes where isTold(change) {
            let session = ExactText(change.feedback.sessionID)
            if sessions[session] == nil, seen.insert(session).inserted { missing.append(session) }
        }
        if missing.isEmpty, !isFirst { return }
        var queries = missing.map { query(of: $0.text, sessionMax) }
        if isFirst { queries.append(query(of: nil, allMax)) }
        let tallies = try await store.tallies(queries, upTo: number)
        for (session, tally) in zip(missing, tallies) { sessions[session] = tally }
        if isFirst, let last = tallies.last { all = last }
    }

    private func isTold(_ change: CursorChange) -> Bool {
        change.kind == .added && rule.ratings.contains(change.feedback.rating)
    }

    private func append(_ rating: Rating, to tally: inout Tally, newestMax: Int) {
        if rule.ratings.contains(rating) { tally.count += 1 }
        if newestMax == 0 { return }
        tally.newest.insert(rating, at: 0)
        if tally.newest.count > newestMax { tally.newest.removeLast() }
    }

    /// The numbers of last ratings that the rule considers, of a session and of all sessions.
    private var sessionMax: Int {
        if case .inARow = rule.condition { rule.historyLength } else { 0 }
    }
    private var allMax: Int {
        if case .share = rule.condition { rule.historyLength } else { 0 }
    }

    private func query(of session: String?, _ newestMax: Int) -> TallyQuery {
        TallyQuery(sessionID: session, ratings: rule.ratings, newestMax: newestMax)
    }

    private func alert(about change: CursorChange, session: Tally, all: Tally) -> Alert {
        Alert(
            rule: rule.name,
            kind: change.kind,
            feedback: change.feedback,
            sessionCount: session.count,
            totalCount: all.count
        )
    }
}
