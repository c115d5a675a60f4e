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
                return try report(context, bySession: counters, query.created) {
                    try SessionTable.sessionID($0, db)
                }
            case .metadata(let key):
                return try report(context, bySession: counters, query.created) {
                    try SessionTable.groupKey(key, ofSession: $0, db)
                }
            case .hour:
                return try report(context, byHour: counters, query.created, \.hour)
            case .day:
                return try report(context, byHour: counters, query.created, \.day)
            }
        }
    }
}

private func report(
    _ context: CallContext,
    bySession counters: CounterTables,
    _ range: TimeRange,
    _ key: (Int64) throws -> String
) throws -> MetricsReport {
    var builder = MetricsReportBuilder(context)
    for (session, counts) in try counters.bySession(range) {
        try builder.add(counts.metrics, to: try key(session))
    }
    return builder.report
}

private func report(
    _ context: CallContext,
    byHour counters: CounterTables,
    _ range: TimeRange,
    _ key: (Timestamp) -> String
) throws -> MetricsReport {
    var builder = MetricsReportBuilder(context)
    try counters.forEachHour(range) { hour, counts in
        try builder.add(counts.metrics, to: key(Timestamp(hourNumber: hour)))
    }
    return builder.report
}
