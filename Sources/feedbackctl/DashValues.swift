/// Values of options that begin with a dash, such as a comment's.
///
/// The argument parser takes `- bad` and `--` in `--comment "- bad"` for something else, and the
/// name of an option of the program itself for that option. Only `--comment=- bad` is unmistakable.
enum DashValues {
    /// The options of every command whose value may begin with a dash.
    private static let ofAllCommands: Set = ["--socket", "--timeout"]

    /// The further such options, by command.
    private static let ofCommands = [
        "add": AddCommand.textOptions, "list": FilterOptions.textOptions,
        "watch": WatchCommand.textOptions,
    ]

    /// Returns the arguments with each such value joined to its option.
    static func joined(_ arguments: [String]) -> [String] {
        var options = ofAllCommands
        var command: String?
        var joined: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            joined.append(argument)
            if argument == "--" { return joined + rest }
            if options.contains(argument), let value = rest.popFirst() {
                if value.utf8.first == UInt8(ascii: "-") {
                    joined[joined.count - 1] += "=" + value
                } else {
                    joined.append(value)
                }
            } else if command == nil, !argument.hasPrefix("-") {
                command = argument
                options.formUnion(ofCommands[argument] ?? [])
            }
        }
        return joined
    }
}
