internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The command `destinations [list|pause|resume|rewind|test]`.
struct DestinationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destinations",
        abstract: "Show where changes are delivered to and how far, and control that.",
        subcommands: [List.self, Pause.self, Resume.self, Rewind.self, Test.self],
        defaultSubcommand: List.self
    )

    /// The command `destinations list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all destinations.")

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try await connection.run { client in
                let destinations = try await client.destinations()
                if connection.json {
                    let views = destinations.map(\.jsonView)
                    try printJSON(MetadataValue.object(["destinations": .list(views)]))
                } else {
                    try StandardStreams.print("\(Table(destinations))")
                }
            }
        }
    }

    /// The command `destinations pause NAME`.
    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deliver nothing more to a destination until it is resumed."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The destination's name.")
        var name: String

        func run() async throws {
            try await connection.run { client in
                try show(try await client.pauseDestination(name), connection)
            }
        }
    }

    /// The command `destinations resume NAME`.
    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deliver to a paused destination again."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The destination's name.")
        var name: String

        func run() async throws {
            try await connection.run { client in
                try show(try await client.resumeDestination(name), connection)
            }
        }
    }

    /// The command `destinations rewind NAME [POSITION]`.
    struct Rewind: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deliver again what came after a position."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The destination's name.")
        var name: String

        @Argument(
            help: "A position of `destinations`, `status` or a stream; everything if left out."
        )
        var position: String?

        func run() async throws {
            try await connection.run { client in
                let position = position.map { LogPosition($0) }
                try show(try await client.rewindDestination(name, to: position), connection)
            }
        }
    }

    /// The command `destinations test NAME`.
    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send a test message, which is about no feedback; exit 1 if it is not taken."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The destination's name.")
        var name: String

        func run() async throws {
            try await connection.run { client in
                let error = try await client.testDestination(name)
                if connection.json {
                    try printJSON(["error": error])
                } else if error.isEmpty {
                    try StandardStreams.print("accepted")
                } else {
                    throw Failure(.refused, "not accepted: \(error)")
                }
                if !error.isEmpty { throw ExitCode.refused }
            }
        }
    }
}

/// Prints a destination that a call returned.
private func show(_ destination: DestinationStatus, _ connection: ConnectionOptions) throws {
    if connection.json {
        try printJSON(destination.jsonView)
    } else {
        try StandardStreams.print("\(Table([destination]))")
    }
}
