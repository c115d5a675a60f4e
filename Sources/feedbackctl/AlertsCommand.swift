internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The command `alerts [list|retry]`.
struct AlertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alerts",
        abstract: "Show alerts that were not delivered, and have dead letters tried again.",
        subcommands: [List.self, Retry.self],
        defaultSubcommand: List.self
    )

    /// The command `alerts list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the dead letters, or the alerts that wait."
        )

        @OptionGroup var connection: ConnectionOptions

        @Flag(help: "Show the alerts that wait to be delivered instead of the dead letters.")
        var pending = false

        @Option(help: "At most that many.")
        var limit = 100

        func validate() throws {
            guard limit > 0 else { throw ValidationError("--limit must be at least 1") }
        }

        func run() async throws {
            var query = AlertQuery(dead: !pending)
            try await connection.run { client in
                let (alerts, totalSize) = try await entries(limit) { size, token in
                    query.pageSize = size
                    query.pageToken = token
                    let page = try await client.listAlerts(query)
                    return (page.alerts, page.nextPageToken, page.totalSize)
                }
                if connection.json {
                    let views = alerts.map { AlertView($0) }
                    try printJSON(AlertListView(alerts: views, totalSize: totalSize))
                } else {
                    try printTable(alerts, totalSize)
                }
            }
        }

        private func printTable(_ alerts: [QueuedAlert], _ totalSize: Int64) throws {
            var table = Table([
                "ID", "HOOK", "CREATED", "SESSION", "RATING", "COUNT", "TRIED", "NEXT ATTEMPT",
                "LAST ERROR",
            ])
            for queued in alerts {
                let alert = queued.alert
                var next = ""
                if case .pending(let due) = queued.state { next = due.description }
                table.add([
                    "\(queued.id)", alert.rule, alert.createdAt.description, alert.sessionID,
                    alert.rating.name, "\(alert.sessionCount)",
                    "\(queued.attempts)", next, queued.lastError,
                ])
            }
            try StandardStreams.print("\(table)\n\(alerts.count) of \(totalSize)")
        }
    }

    /// The command `alerts retry [ID …]`.
    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have dead letters tried again, now."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The ids that `alerts list` shows; all dead letters if left out.")
        var ids: [Int64] = []

        func run() async throws {
            try await connection.run { client in
                let retried = try await client.retryAlerts(ids)
                if connection.json {
                    try printJSON(["retried": retried])
                } else {
                    try StandardStreams.print("\(retried) retried")
                }
            }
        }
    }
}
