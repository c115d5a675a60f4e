internal import ArgumentParser
internal import FeedbackClient
internal import StandardStreams

/// The ratings as arguments.
enum RatingName: String, ExpressibleByArgument, CaseIterable {
    case up
    case down
    case none

    var rating: Rating {
        switch self {
        case .up: .up
        case .down: .down
        case .none: .none
        }
    }
}

/// The kinds of author as arguments.
enum AuthorSourceName: String, ExpressibleByArgument, CaseIterable {
    case human
    case model
    case code

    var source: AuthorSource {
        switch self {
        case .human: .human
        case .model: .model
        case .code: .code
        }
    }
}

/// The command `add SESSION …`.
struct AddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Store one feedback."
    )

    /// The options that take any text.
    static let textOptions: Set = [
        "--comment", "--request-id", "--message-id", "--agent-id", "--author-id", "--tag",
        "--attribute",
    ]

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The session.")
    var session: String

    @Option(help: "up, down or none.")
    var rating = RatingName.none

    @Option(help: "The comment.")
    var comment = ""

    @Option(help: "An idempotency key: a repeated one answers with what was stored first.")
    var requestId = ""

    @Option(help: "The answer that is spoken of.")
    var messageId = ""

    @Option(help: "The agent that gave the answer.")
    var agentId = ""

    @Option(help: "Who gives the feedback.")
    var authorId: String?

    @Option(help: "What the author is: human, model or code.")
    var authorSource: AuthorSourceName?

    @Option(name: .customLong("tag"), help: "A tag; may be repeated.")
    var tags: [String] = []

    @Option(name: .customLong("attribute"), help: "An attribute as KEY=VALUE; may be repeated.")
    var attributes: [String] = []

    func run() async throws {
        var draft = FeedbackDraft(
            sessionID: session,
            rating: rating.rating,
            comment: comment,
            requestID: requestId,
            messageID: messageId,
            agentID: agentId,
            tags: tags
        )
        if authorId != nil || authorSource != nil {
            draft.author = Author(
                source: authorSource?.source ?? .unspecified,
                id: authorId ?? ""
            )
        }
        for attribute in attributes {
            let (key, value) = try keyAndValue(attribute, option: "--attribute")
            draft.attributes[key] = value
        }
        try await connection.run { [draft] client in
            let added = try await client.addFeedback(draft)
            if connection.json {
                try printJSON(
                    .object([
                        "feedback": added.feedback.jsonView, "replayed": .bool(added.replayed),
                    ])
                )
            } else {
                let id = added.feedback.id?.description ?? ""
                try StandardStreams.print(added.replayed ? "\(id) (stored before)" : id)
            }
        }
    }
}

/// Splits an argument of the form `KEY=VALUE`.
func keyAndValue(_ text: String, option: String) throws -> (String, String) {
    // By bytes: an accent at the value's beginning would be taken for a part of the sign.
    let bytes = text.utf8
    guard let separator = bytes.firstIndex(of: UInt8(ascii: "=")), separator != bytes.startIndex
    else {
        throw ValidationError("\(option) takes KEY=VALUE")
    }
    return (String(text[..<separator]), String(text[bytes.index(after: separator)...]))
}
