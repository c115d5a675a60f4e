internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The command `deliveries [list|retry|drop]`.
struct DeliveriesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deliveries",
        abstract: "Show what was not delivered, have it tried again, or give it up.",
        subcommands: [List.self, Retry.self, Drop.self],
        defaultSubcommand: List.self
    )

    /// The command `deliveries list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the dead letters, or the deliveries that wait for another attempt."
        )

        @OptionGroup var connection: ConnectionOptions

        @Option(help: "Only those of this destination.")
        var destination: String?

        @Flag(help: "Show the deliveries that wait for another attempt instead of dead letters.")
        var retrying = false

        @Option(help: "At most that many.")
        var limit = 100

        @Flag(help: "Show the feedback that is to be delivered, too.")
        var content = false

        func validate() throws {
            guard limit > 0 else { throw ValidationError("--limit must be at least 1") }
            // To the server an empty one means every destination.
            guard destination != "" else {
                throw ValidationError("--destination must not be empty")
            }
        }

        func run() async throws {
            var query = DeliveryQuery(
                destination: destination ?? "",
                state: retrying ? .retrying : .dead,
                includesContent: content
            )
            try await connection.run { client in
                let (deliveries, totalSize) = try await entries(limit) { size, token in
                    query.pageSize = size
                    query.pageToken = token
                    let page = try await client.listDeliveries(query)
                    return (page.deliveries, page.nextPageToken, page.totalSize)
                }
                if connection.json {
                    try printJSON(
                        MetadataValue.object([
                            "deliveries": .list(deliveries.map(\.jsonView)),
                            "total_size": .number(Double(totalSize)),
                        ])
                    )
                } else {
                    try printTable(deliveries, totalSize)
                }
            }
        }

        private func printTable(_ deliveries: [Delivery], _ totalSize: Int64) throws {
            var table = Table(
                [
                    "ID", "DESTINATION", "FEEDBACK", "SESSION", "TRIED", "FIRST ATTEMPT",
                    "NEXT ATTEMPT", "LAST ERROR",
                ] + (content ? ["RATING", "COMMENT"] : [])
            )
            for delivery in deliveries {
                let feedback = delivery.feedback?.draft
                table.add(
                    [
                        delivery.id, delivery.destination, delivery.feedbackID?.description ?? "",
                        delivery.sessionID, "\(delivery.attempts)",
                        delivery.firstAttemptAt.description,
                        delivery.nextAttemptAt?.description ?? "", delivery.lastError,
                    ] + (content ? [feedback?.rating.name ?? "", feedback?.comment ?? ""] : [])
                )
            }
            try StandardStreams.print("\(table)\n\(deliveries.count) of \(totalSize)")
        }
    }

    /// The command `deliveries retry NAME (ID… | --all)`.
    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have deliveries tried again now, dead letters too."
        )

        @OptionGroup var connection: ConnectionOptions

        @OptionGroup var selection: SelectionArguments

        func run() async throws {
            try await connection.run { client in
                let retried = try await client.retryDeliveries(selection.value)
                if connection.json {
                    try printJSON(["retried": retried])
                } else {
                    try StandardStreams.print("\(retried) retried")
                }
            }
        }
    }

    /// The command `deliveries drop NAME (ID… | --all)`.
    struct Drop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give deliveries up for ever; the feedback itself stays."
        )

        @OptionGroup var connection: ConnectionOptions

        @OptionGroup var selection: SelectionArguments

        func run() async throws {
            try await connection.run { client in
                let dropped = try await client.dropDeliveries(selection.value)
                if connection.json {
                    try printJSON(["dropped": dropped])
                } else {
                    try StandardStreams.print("\(dropped) dropped")
                }
            }
        }
    }

    /// The deliveries that a command is about.
    struct SelectionArguments: ParsableArguments {
        @Argument(help: "The destination's name.")
        var name: String

        @Argument(help: "The ids that `deliveries` shows.")
        var ids: [String] = []

        @Flag(help: "All dead letters of the destination.")
        var all = false

        var value: DeliverySelection {
            DeliverySelection(destination: name, ids: all ? nil : ids)
        }

        func validate() throws {
            guard all == ids.isEmpty else {
                throw ValidationError("either ids or --all must be given")
            }
        }
    }
}
