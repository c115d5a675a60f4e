internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The options of a range of time.
struct TimeOptions: ParsableArguments {
    @Option(help: "Created at or after that moment, like 2024-01-22T15:00:00Z or 2024-01-22.")
    var since: Moment?

    @Option(help: "Created before that moment.")
    var until: Moment?

    var range: TimeRange { TimeRange(from: since?.timestamp, until: until?.timestamp) }
}

/// A moment as an argument: in RFC 3339 format, or a day, which means its start in UTC.
struct Moment: ExpressibleByArgument {
    var timestamp: Timestamp

    init?(argument: String) {
        // A day has ten characters.
        let text = argument.utf8.count == 10 ? argument + "T00:00:00Z" : argument
        guard let timestamp = Timestamp(rfc3339: text) else { return nil }
        self.timestamp = timestamp
    }
}

/// The session and the options by which feedback is selected.
struct FilterOptions: ParsableArguments {
    /// The options that take any text.
    static let textOptions: Set = ["--message-id"]

    @OptionGroup var time: TimeOptions

    @Argument(help: "The session; every one if left out.")
    var session: String?

    @Option(help: "Only that rating: up, down or none; may be repeated.")
    var rating: [RatingName] = []

    @Option(help: "Only feedback on that answer.")
    var messageId = ""

    @Flag(
        inversion: .prefixedNo,
        help: "Only feedback with a comment, or only feedback without one."
    )
    var comment: Bool?

    var filter: FeedbackFilter {
        FeedbackFilter(
            sessionID: session,
            ratings: Set(rating.map(\.rating)),
            created: time.range,
            messageID: messageId,
            hasComment: comment
        )
    }
}

/// The command `list [SESSION] …`.
struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List feedback, of one session or all."
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FilterOptions

    @Option(help: "At most that many.")
    var limit = 100

    @Flag(help: "Newest first.")
    var newestFirst = false

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be at least 1") }
    }

    func run() async throws {
        var query = FeedbackQuery(filter.filter, newestFirst: newestFirst)
        try await connection.run { client in
            let (feedbacks, totalSize) = try await entries(limit) { size, token in
                query.pageSize = size
                query.pageToken = token
                let page = try await client.listFeedbacks(query)
                return (page.feedbacks, page.nextPageToken, page.totalSize)
            }
            if connection.json {
                try printJSON(
                    .object([
                        "feedbacks": .list(feedbacks.map(\.jsonView)),
                        "total_size": .number(Double(totalSize)),
                    ])
                )
            } else {
                try printTable(feedbacks, totalSize)
            }
        }
    }

    private func printTable(_ feedbacks: [Feedback], _ totalSize: Int64) throws {
        var table = Table(["CREATED", "RATING", "COMMENT"])
        if filter.session == nil { table = Table(["CREATED", "SESSION", "RATING", "COMMENT"]) }
        for feedback in feedbacks {
            var row = [feedback.createdAt.description]
            if filter.session == nil { row.append(feedback.sessionID) }
            row += [feedback.rating.name, feedback.comment]
            table.add(row)
        }
        try StandardStreams.print("\(table)\n\(feedbacks.count) of \(totalSize)")
    }
}
