internal import ArgumentParser
internal import FeedbackClient
internal import Foundation
internal import StandardStreams

/// The command `watch [SESSION] …`.
struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow the changes of feedback, of one session or all.",
        discussion: "Prints a line for each change, first for all that is there, until it is "
            + "interrupted. A lost connection is made again, so that a change may come twice."
    )

    /// The options that take any text.
    static let textOptions = FilterOptions.textOptions.union(["--from"])

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FilterOptions

    @Option(help: "Begin after that position, which --json and errors name.")
    var from: String?

    @Flag(help: "Begin with the next change.")
    var fromNow = false

    @Flag(inversion: .prefixedNo, help: "Wait for further changes after the last one.")
    var follow = true

    func validate() throws {
        if from != nil, fromNow {
            throw ValidationError("--from and --from-now do not go together")
        }
    }

    func run() async throws {
        // Whatever waits, the output included, is given up.
        for interruption in [SIGINT, SIGTERM] { signal(interruption) { _ in _exit(0) } }
        var start = from.map { LogStart.after(LogPosition($0)) } ?? .beginning
        if fromNow { start = .now }
        let query = WatchQuery(filter.filter, from: start, follows: follow)
        // About one attempt a second, for as long as a call may take.
        try await connection.run(attemptsMax: connection.timeout + 4) { client in
            let changes = client.watchFeedbacks(query)
            do {
                for try await change in changes { try printLine(change) }
            } catch let error as CallError {
                let hint = changes.position.map { "; the last position was \($0)" }
                throw Failure(.refused, "\(error)\(hint ?? "")")
            }
        }
    }

    private func printLine(_ change: FeedbackChange) throws {
        let feedback = change.feedback
        if connection.json {
            let view = MetadataValue.object([
                "kind": .string(change.kind.name), "position": .string(change.position.text),
                "feedback": feedback.jsonView,
            ])
            return try StandardStreams.print(harmless(view.json))
        }
        let columns = [
            "\(feedback.updatedAt)", change.kind.name, feedback.sessionID, feedback.rating.name,
            feedback.comment,
        ]
        var line = columns.map(\.onOneLine).joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        try StandardStreams.print(line)
    }
}

extension FeedbackChange.Kind {
    /// The kind's name, as in the proto file but for its prefix.
    fileprivate var name: String {
        switch self {
        case .added: "added"
        case .updated: "updated"
        case .deleted: "deleted"
        case .left: "left"
        }
    }
}
