internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The command `health`.
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Say whether calls are served; exit 1 if not."
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let status = try await client.isServing() ? "SERVING" : "NOT_SERVING"
            if connection.json {
                try printJSON(["status": status])
            } else {
                try StandardStreams.print(status)
            }
            if status != "SERVING" { throw ExitCode.refused }
        }
    }
}
