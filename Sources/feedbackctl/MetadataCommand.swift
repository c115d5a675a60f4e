internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The command `metadata get|set|delete SESSION …`.
struct MetadataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metadata",
        abstract: "Read and change a session's metadata.",
        subcommands: [Get.self, Set.self, Delete.self]
    )

    /// The command `metadata get SESSION`.
    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a session's metadata.")

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The session.")
        var session: String

        func run() async throws {
            try await connection.run { client in
                try show(try await client.metadata(sessionID: session), connection)
            }
        }
    }

    /// The command `metadata set SESSION KEY=VALUE…`.
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Merge keys into a session's metadata.",
            discussion: "A value is taken as JSON if it is valid JSON, else as text: variant=B "
                + "and variant='\"B\"' are the same, share=0.5 is a number. Numbers are doubles: "
                + "one that would come back as another, such as 9007199254740993, is refused."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The session.")
        var session: String

        @Argument(help: "KEY=VALUE")
        var pairs: [String]

        func run() async throws {
            var metadata: Metadata = [:]
            for pair in pairs {
                let (key, value) = try keyAndValue(pair, option: "set")
                metadata[key] = try JSONArgument(value).value
            }
            try await connection.run { [metadata] client in
                try show(
                    try await client.updateMetadata(sessionID: session, metadata),
                    connection
                )
            }
        }
    }

    /// The command `metadata delete SESSION KEY…`.
    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove keys from a session's metadata."
        )

        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The session.")
        var session: String

        @Argument(help: "The keys.")
        var keys: [String]

        func run() async throws {
            try await connection.run { client in
                try show(
                    try await client.deleteMetadata(sessionID: session, keys: keys),
                    connection
                )
            }
        }
    }
}

/// Prints the metadata that a call returned.
private func show(_ metadata: Metadata, _ connection: ConnectionOptions) throws {
    if connection.json {
        try printJSON(MetadataValue.object(metadata))
        return
    }
    var table = Table(["KEY", "VALUE"])
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
        table.add([key, harmless(value.json)])
    }
    try StandardStreams.print("\(table)")
}
