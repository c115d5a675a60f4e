import Foundation

@testable import feedbackd

/// docs/CONFIGURATION.md, whose tables are made of the settings' declarations.
struct ReferencePage {
    static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "../../docs/CONFIGURATION.md").standardized.path

    /// The declarations by the names of their tables.
    static let tables: [(name: String, settings: [SettingDeclaration])] =
        [
            ("settings", Settings.declarations),
            ("config", [SettingSources.config.declaration]),
            ("hooks", [HookSettings.order.declaration]),
            ("section", [HookSettings.kind.declaration]),
        ]
        + HookKind.allCases.map { ($0.rawValue, $0.declarations) }
        .filter { !$0.settings.isEmpty }

    let text: String

    init() throws { text = try String(contentsOfFile: Self.path, encoding: .utf8) }

    /// The page with tables as the declarations are now; nil if it has no place for one of them.
    var renewed: String? {
        var renewed = text
        for (name, settings) in Self.tables {
            let begin = "<!-- table: \(name) -->\n"
            guard let start = renewed.range(of: begin)?.upperBound,
                let end = renewed[start...].range(of: "<!-- end of table -->\n")?.lowerBound
            else { return nil }
            renewed.replaceSubrange(start..<end, with: Self.table(settings))
        }
        return renewed
    }

    /// The text of the complete file.
    var example: String? {
        guard let heading = text.range(of: "\n## A complete file\n")?.upperBound,
            let start = text[heading...].range(of: "\n```yaml\n")?.upperBound,
            let end = text[start...].range(of: "\n```\n")?.lowerBound
        else { return nil }
        return String(text[start...end])
    }

    private static func table(_ settings: [SettingDeclaration]) -> String {
        let rows = settings.map { setting in
            let allowed = setting.rules.allowed.isEmpty ? "a text" : setting.rules.allowed
            let cells = ["`\(setting.name)`", allowed, setting.defaultValue, setting.help]
            let escaped = cells.map { $0.replacing("|", with: "\\|") }
            return "| \(escaped.joined(separator: " | ")) |"
        }
        let head = ["| setting | value | default | meaning |", "|---|---|---|---|"]
        return (head + rows).map { "\($0)\n" }.joined()
    }
}
