/// A setting without its value: all that the file's check, the command line and the reference need.
///
/// Each ``Setting`` makes its own.
struct SettingDeclaration: Sendable {
    /// The key in the file, like `socket_mode`.
    let name: String
    /// The setting's effect, in sentences of Markdown.
    let help: String
    /// The value of those who set none, in Markdown: between backticks, or in words.
    let defaultValue: String
    let rules: SettingRules
    /// Throws the rule that a value breaks.
    let check: @Sendable ([String]) throws(SettingFault) -> Void
}

extension [SettingDeclaration] {
    func first(_ name: String) -> SettingDeclaration? { first { $0.name == name } }

    /// Says about a key that is not among them which there are, and which may be meant.
    func explanation(of unknown: String, besides others: [String] = []) -> String {
        let names = others + map(\.name)
        let near = names.map { ($0, $0.editDistance(to: unknown)) }.min { $0.1 < $1.1 }
        let guess = near.flatMap { $0.1 <= 2 ? ": did you mean \($0.0)?" : nil } ?? ""
        return "is not a setting\(guess) (there are \(names.joined(separator: ", ")))"
    }
}

extension String {
    /// The number of bytes to insert, remove or replace (Levenshtein).
    fileprivate func editDistance(to other: String) -> Int {
        var row = Array(0...other.utf8.count)
        for (index, byte) in utf8.prefix(100).enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, otherByte) in other.utf8.enumerated() {
                let replaced = diagonal + (byte == otherByte ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = Swift.min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.utf8.count]
    }
}
