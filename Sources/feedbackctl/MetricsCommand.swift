internal import ArgumentParser
internal import FeedbackClient
internal import Foundation
internal import StandardStreams

/// The grouping of metrics as an argument.
struct GroupingName: ExpressibleByArgument {
    var grouping: MetricsGrouping

    init?(argument: String) {
        switch argument {
        case "session": grouping = .session
        case "hour": grouping = .hour
        case "day": grouping = .day
        default:
            let prefix = "metadata:"
            guard argument.hasPrefix(prefix), argument.count > prefix.count else { return nil }
            grouping = .metadata(key: String(argument.dropFirst(prefix.count)))
        }
    }
}

/// The command `metrics [SESSION] …`.
struct MetricsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Count feedback and show its rates."
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var time: TimeOptions

    @Argument(help: "The session; every one if left out.")
    var session: String?

    @Option(help: "session, metadata:KEY, hour or day.")
    var groupBy: GroupingName?

    func run() async throws {
        let query = MetricsQuery(
            sessionID: session,
            created: time.range,
            grouping: groupBy?.grouping ?? .none
        )
        try await connection.run { client in
            let report = try await client.getMetrics(query)
            if connection.json {
                try printJSON(ReportView(report))
            } else {
                try printTable(report)
            }
        }
    }

    private func printTable(_ report: MetricsReport) throws {
        let headers = ["TOTAL", "UP", "DOWN", "NONE", "SATISFACTION", "APPROVAL", "AVG COMMENT"]
        var table: Table
        switch groupBy?.grouping {
        case nil, .some(.none):
            table = Table(headers)
            table.add(cells(report.metrics))
        case .session, .metadata:
            table = Table(["GROUP"] + headers + ["APPROVAL 95 %"])
            let all = MetricsGroup(key: "(all)", metrics: report.metrics)
            for group in report.groups + [all] {
                let interval = group.metrics.approvalInterval.map {
                    String(format: "%.1f to %.1f %%", $0.lowerBound, $0.upperBound)
                }
                table.add([group.key] + cells(group.metrics) + [interval ?? "-"])
            }
        case .hour, .day:
            let groups = TimeChart.withGaps(report.groups)
            let chart = TimeChart(groups)
            table = Table(["GROUP"] + headers + [TimeChart.legend])
            for group in groups {
                table.add([group.key] + cells(group.metrics) + [chart.bar(group.metrics)])
            }
            table.add(["(all)"] + cells(report.metrics) + [""])
        }
        try StandardStreams.print("\(table)")
    }

    private func cells(_ metrics: Metrics) -> [String] {
        [
            String(metrics.total), String(metrics.positive), String(metrics.negative),
            String(metrics.neutral), String(format: "%.1f %%", metrics.satisfactionRate),
            String(format: "%.1f %%", metrics.approvalRate),
            String(format: "%.1f", metrics.averageCommentLength),
        ]
    }
}
