internal import ArgumentParser
internal import Glibc

/// The load generator of `make bench`: arguments and wiring only.
@main
struct FeedbackdBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedbackd-bench",
        abstract: "Loads a ttrpc server of feedback.v1 and measures it.",
        subcommands: [LoadCommand.self, HoldCommand.self, WatchCommand.self]
    )
}

/// An error that ends the program with a line on standard error.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// Makes the error of a failed system call.
    init(_ call: String, errno code: CInt) {
        description = "\(call): \(String(cString: strerror(code)))"
    }
}
