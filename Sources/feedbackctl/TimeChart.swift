internal import FeedbackClient

/// A bar chart of text with the number of feedbacks in each hour or day, and the shares of up, none
/// and down.
struct TimeChart {
    static let legend = "\(up) UP \(none) NONE \(down) DOWN"

    /// The length of the longest bar in characters.
    private static let widthMax = 40
    /// The number of rows from which on hours or days without feedback are left out.
    private static let rowsMax = 1_000
    private static let up: Character = "█"
    private static let none: Character = "▒"
    private static let down: Character = "░"

    private let totalMax: Int64

    init(_ groups: [MetricsGroup]) { totalMax = groups.map(\.metrics.total).max() ?? 0 }

    /// Returns the bar of an hour or day, which is empty only if there is no feedback.
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

    /// Returns the groups with empty ones inserted for the hours or days that the server leaves
    /// out.
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
