/// A setting without its value: everything that the check of the file, the command line and the
/// reference need.
///
/// Each ``Setting`` makes its declaration.
struct SettingDeclaration: Sendable {
    /// The key in the file, for example `socket_mode`.
    let name: String
    /// The effect of the setting, in sentences of Markdown.
    let help: String
    /// The default, in Markdown: a value between backticks, or words.
    let defaultValue: String
    let rules: SettingRules
    /// Throws the rule that the texts break; returns if they are valid.
    let check: @Sendable ([String]) throws(SettingFault) -> Void
}

extension [SettingDeclaration] {
    func first(_ name: String) -> SettingDeclaration? { first { $0.name == name } }

    /// Returns the error text for an unknown key, with all keys and the one that may be meant.
    func explanation(of unknown: String, besides others: [String] = []) -> String {
        let names = others + map(\.name)
        let near = names.map { ($0, $0.editDistance(to: unknown)) }.min { $0.1 < $1.1 }
        let guess = near.flatMap { $0.1 <= 2 ? ": did you mean \($0.0)?" : nil } ?? ""
        return "is not a setting\(guess) (there are \(names.joined(separator: ", ")))"
    }
}

extension String {
    /// Returns the number of bytes to insert, remove or replace (Levenshtein's distance).
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
