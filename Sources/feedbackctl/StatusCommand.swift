internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The command `status`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the daemon's version, its store and its destinations."
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let status = try await client.serverStatus()
            if connection.json {
                try printJSON(status.jsonView)
            } else {
                try StandardStreams.print(text(status))
            }
        }
    }

    private func text(_ status: ServerStatus) -> String {
        var lines = Table(["VERSION", status.version.onOneLine])
        lines.add(["STARTED", status.startedAt.description])
        lines.add(["STORE", status.store])
        lines.add(["POSITION", status.position?.text ?? "none"])
        if status.unreplicatedCount > 0 {
            let since = status.unreplicatedSince.map { ", since \($0)" } ?? ""
            lines.add(["NOT IN MONGODB", "\(status.unreplicatedCount)\(since)"])
        }
        return "\(lines)\n\n\(Table(status.destinations))"
    }
}
