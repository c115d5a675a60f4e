internal import ArgumentParser
internal import FeedbackClient
internal import Foundation
internal import StandardStreams

/// The command line client of a running daemon.
@main
struct Feedbackctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedbackctl",
        abstract: "Adds, lists, follows and measures feedback through a running feedbackd.",
        discussion: "Exit codes: 0 done, 1 the server said no, 2 cannot connect, 64 wrong usage, "
            + "74 cannot write the output.",
        subcommands: [
            AddCommand.self, ListCommand.self, WatchCommand.self, MetricsCommand.self,
            MetadataCommand.self, StatusCommand.self, DestinationsCommand.self,
            DeliveriesCommand.self,
            HealthCommand.self,
        ]
    )

    // The options are here, too, so that they may precede the name of the command.
    @OptionGroup var connection: ConnectionOptions

    static func main() async {
        StandardStreams.prepare()
        // Without the signal, a file at its limit (ulimit -f) is an error of the write.
        signal(SIGXFSZ, SIG_IGN)
        do {
            let arguments = DashValues.joined(Array(CommandLine.arguments.dropFirst()))
            var command = try await asyncParseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Foundation.exit(report(error).rawValue)
        }
    }

    /// Prints an error, or the help that was asked for, and returns the exit code.
    private static func report(_ error: any Error) -> ExitCode {
        if let failure = error as? Failure {
            StandardStreams.complain("feedbackctl: \(failure.line.onOneLine)")
            return failure.code
        }
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        if !code.isSuccess {
            if !text.isEmpty { StandardStreams.complain(text) }
            return code
        }
        do {
            try StandardStreams.print(text)
            return code
        } catch {
            return report(error)
        }
    }
}

/// The options of all commands.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: "The daemon's socket. (default: $FEEDBACKD_SOCKET, else the daemon's own default)"
    )
    var socket: String?

    @Option(help: "How long to wait for the answer, in seconds.")
    var timeout = 10

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func validate() throws {
        guard (1...86_400).contains(timeout) else {
            throw ValidationError("--timeout must be 1 to 86400 seconds")
        }
    }

    /// Connects and makes the call.
    ///
    /// - Parameters:
    ///   - attemptsMax: the maximum number of attempts of the call; nil for the client's default.
    ///   - call: makes the call.
    /// - Throws: a ``Failure`` if there is no connection or the call fails.
    func run(
        attemptsMax: Int? = nil,
        _ call: (FeedbackClient) async throws -> Void
    ) async throws {
        do {
            let client = try await connectedClient(attemptsMax)
            defer { client.close() }
            try await call(client)
        } catch let error as CallError {
            throw Failure(.refused, "\(error)")
        }
    }

    private func connectedClient(_ attemptsMax: Int?) async throws -> FeedbackClient {
        var options = FeedbackClient.Options()
        options.timeout = .seconds(timeout)
        options.attemptsMax = attemptsMax ?? options.attemptsMax
        do {
            let environment = ProcessInfo.processInfo.environment["FEEDBACKD_SOCKET"]
            let path = try socket ?? environment ?? FeedbackClient.defaultSocket()
            let client = try FeedbackClient(socket: path, options: options)
            try await client.connect()
            return client
        } catch let error as CallError {
            throw Failure(.connection, error.message)
        }
    }
}

/// Returns the first entries of a list, at most `limit`, and the total number of entries.
///
/// `page` fetches at most `size` entries, with the token of the previous page.
func entries<Entry>(
    _ limit: Int,
    page:
        (_ size: Int, _ token: String) async throws -> (
            entries: [Entry], nextToken: String, totalSize: Int64
        )
) async throws -> (entries: [Entry], totalSize: Int64) {
    var entries: [Entry] = []
    var token = ""
    while true {
        let page = try await page(min(limit - entries.count, FieldLimits.pageSizeMax), token)
        entries += page.entries
        token = page.nextToken
        if entries.count >= limit || token.isEmpty { return (entries, page.totalSize) }
    }
}
