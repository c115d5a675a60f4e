internal import ArgumentParser
internal import CoreMetrics
internal import Dispatch
internal import FeedbackServer
internal import Glibc
internal import Logging
internal import StandardStreams

/// The daemon's program: its arguments, and the wiring of its parts.
@main
struct Feedbackd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedbackd",
        abstract: "Records feedback on the answers of AI agents.",
        discussion: """
            Serves feedback.v1 over ttrpc and gRPC on a Unix domain socket. Every option can also be given \
            in the environment, as FEEDBACKD_SOCKET, FEEDBACKD_STORE and so on, or in the YAML file \
            that --config names, as socket, store and so on. Options go before the environment, the \
            environment before the file. Hooks stand in the file, which SIGHUP reads again.
            """
    )

    @OptionGroup var options: Options

    /// The writer of the log and of the program's own lines.
    private static let log = LogWriter(STDERR_FILENO)

    static func main() async {
        StandardStreams.prepare()
        InitProcess.runIfFirst()
        await main(nil)
    }

    func run() async throws {
        defer { Self.log.drain() }
        // libmongoc makes these counters for one of its tools as soon as the program is loaded. A
        // daemon that is killed would leave them in shared memory.
        shm_unlink("/mongoc-\(getpid())")
        do {
            let settings = try Settings(try SettingSources(options: options.given))
            LoggingSystem.bootstrap { label in StreamLogHandler(label: label, stream: Self.log) }
            var logger = Logger(label: "feedbackd")
            logger.logLevel = settings.logLevel
            // The metrics system is installed first, so that the hooks' instruments are collected.
            if settings.server.metricsListen != nil {
                FeedbackServer.collectMetrics(help: [
                    LogWriter.lostLinesLabel: LogWriter.lostLinesHelp
                ])
                Self.log.count(in: Counter(label: LogWriter.lostLinesLabel))
            }
            let server = try Self.makeServer(settings, logger)
            let memory = FreedMemory.returnRegularly()
            defer { memory.cancel() }
            let reload = Reload(options: options, settings: settings, logger: logger)
            try await server.run(
                onReady: {
                    ProgramPages.release()
                    if let address = server.metricsAddress { Self.say("metrics at \(address)") }
                    Self.say("listening on \(server.socketPath) (store \(server.storeLocation))")
                },
                onHangup: { await reload.run(server) }
            )
        } catch {
            Self.say(Self.line(error))
            throw ExitCode.failure
        }
    }

    /// Makes the server; nothing else holds its hooks, whose files are closed when they are replaced.
    private static func makeServer(
        _ settings: Settings,
        _ logger: Logger
    ) throws -> FeedbackServer {
        let (hooks, destinations) = try HookSettings.make(settings.hooks, logger)
        return try FeedbackServer(
            configuration: settings.server,
            hooks: hooks,
            destinations: destinations,
            logger: logger
        )
    }

    /// Returns the text of an error for people, in one line and without its code.
    static func line(_ error: any Error) -> String {
        switch error {
        case let error as CallError: error.message
        default: "\(error)"
        }
    }

    private static func say(_ line: String) { log.write("feedbackd: \(line)\n") }
}
