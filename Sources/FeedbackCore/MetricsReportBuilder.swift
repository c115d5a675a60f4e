package import FeedbackModel

/// Metrics as a whole and by group, as a store finds them.
package struct MetricsReportBuilder {
    /// The encoded size of a group besides its key, from below, in bytes.
    private static let groupBytesMin = 8

    private var whole = Metrics()
    private var groups: [ExactText: Metrics] = [:]
    private let replyBytesMax: Int?
    /// The encoded size of the groups, from below, in bytes.
    private var replyBytes = 0

    /// Makes an empty report for a call.
    package init(_ context: CallContext) { replyBytesMax = context.replyBytesMax }

    /// Adds metrics to the whole, and to the group of the key unless that is nil.
    ///
    /// - Throws: RESOURCE_EXHAUSTED once the report has more groups than could be sent to the
    ///   caller, so that no time is spent on the others.
    package mutating func add(_ metrics: Metrics, to key: String?) throws(CallError) {
        whole = whole + metrics
        guard let key else { return }
        let former = groups.updateValue(metrics, forKey: ExactText(key))
        if let former {
            groups[ExactText(key)] = former + metrics
            return
        }
        replyBytes += key.utf8.count + Self.groupBytesMin
        if let replyBytesMax, replyBytes > replyBytesMax { throw .replyTooLarge }
    }

    /// The report of all that was added.
    package var report: MetricsReport { MetricsReport(metrics: whole, groups: groups) }
}
