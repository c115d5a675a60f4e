internal import FeedbackClient

/// Bars of text: how much feedback each hour or day has, and what share of it is up, none and down.
struct TimeChart {
    static let legend = "\(up) UP \(none) NONE \(down) DOWN"

    /// So many characters has the longest bar.
    private static let widthMax = 40
    /// Further hours or days without feedback are left out rather than shown.
    private static let rowsMax = 1_000
    private static let up: Character = "█"
    private static let none: Character = "▒"
    private static let down: Character = "░"

    private let totalMax: Int64

    init(_ groups: [MetricsGroup]) { totalMax = groups.map(\.metrics.total).max() ?? 0 }

    /// The bar of an hour or day; not empty, unless there is no feedback.
    func bar(_ metrics: Metrics) -> String {
        guard metrics.total > 0 else { return "" }
        let width = max(1, rounded(Self.widthMax, metrics.total, totalMax))
        let upEnd = rounded(width, metrics.positive, metrics.total)
        let noneEnd = rounded(width, metrics.positive + metrics.neutral, metrics.total)
        return String(repeating: Self.up, count: upEnd)
            + String(repeating: Self.none, count: noneEnd - upEnd)
            + String(repeating: Self.down, count: width - noneEnd)
    }

    private func rounded(_ width: Int, _ part: Int64, _ whole: Int64) -> Int {
        Int((Double(width) * Double(part) / Double(whole)).rounded())
    }

    /// The groups with those that the server leaves out, since they have no feedback.
    static func withGaps(_ groups: [MetricsGroup]) -> [MetricsGroup] {
        let times = groups.compactMap { Moment(argument: $0.key)?.timestamp.millisecondsSinceEpoch }
        guard times.count == groups.count, let first = times.first, let last = times.last
        else { return groups }
        let isByDay = !groups[0].key.contains("T")
        let step = isByDay ? Timestamp.dayMilliseconds : Timestamp.hourMilliseconds
        guard (last - first) / step < rowsMax else { return groups }
        let known = Dictionary(uniqueKeysWithValues: zip(times, groups))
        return stride(from: first, through: last, by: Int(step)).map { time in
            let moment = Timestamp(millisecondsSinceEpoch: time)
            return known[time]
                ?? MetricsGroup(key: isByDay ? moment.day : moment.hour, metrics: Metrics())
        }
    }
}
