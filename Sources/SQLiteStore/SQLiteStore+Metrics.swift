internal import FeedbackCore
public import FeedbackModel
import GRDB

extension SQLiteStore {
    /// See ``Store``.
    public func metrics(
        _ query: MetricsQuery,
        context: CallContext
    ) async throws -> MetricsReport {
        try await database.read(context) { db in
            guard let session = try SessionTable.number(filter: query.sessionID, db) else {
                return MetricsReport()
            }
            let counters = CounterTables(db, session: session)
            switch query.grouping {
            case .none:
                return MetricsReport(metrics: try counters.total(query.created).metrics)
            case .session:
                return try report(bySession: counters, query.created) {
                    try SessionTable.sessionID($0, db)
                }
            case .metadata(let key):
                return try report(bySession: counters, query.created) {
                    try SessionTable.groupKey(key, ofSession: $0, db)
                }
            case .hour:
                return try report(byHour: counters, query.created, \.hour)
            case .day:
                return try report(byHour: counters, query.created, \.day)
            }
        }
    }
}

private func report(
    bySession counters: CounterTables,
    _ range: TimeRange,
    _ key: (Int64) throws -> String
) throws -> MetricsReport {
    var whole = Metrics()
    var groups: [ExactText: Metrics] = [:]
    for (session, counts) in try counters.bySession(range) {
        let metrics = counts.metrics
        whole.add(metrics)
        groups[ExactText(try key(session)), default: Metrics()].add(metrics)
    }
    return MetricsReport(metrics: whole, groups: groups)
}

private func report(
    byHour counters: CounterTables,
    _ range: TimeRange,
    _ key: (Timestamp) -> String
) throws -> MetricsReport {
    var whole = Metrics()
    var groups: [ExactText: Metrics] = [:]
    try counters.forEachHour(range) { hour, counts in
        let metrics = counts.metrics
        whole.add(metrics)
        groups[ExactText(key(Timestamp(hourNumber: hour))), default: Metrics()].add(metrics)
    }
    return MetricsReport(metrics: whole, groups: groups)
}

extension Metrics {
    fileprivate mutating func add(_ other: Metrics) {
        self = self + other
    }
}
