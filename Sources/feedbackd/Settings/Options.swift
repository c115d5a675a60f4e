internal import ArgumentParser

/// The options of the command line, one for each setting.
///
/// ArgumentParser finds options by reflection on a value without arguments, and delivers their
/// values by decoding. This type provides both for a table of settings instead of properties.
struct Options: ParsableArguments, CustomReflectable {
    static let declarations = Settings.declarations + [SettingSources.config.declaration]

    /// The texts of the options that were given, by the names of the settings.
    let given: [String: [String]]

    init() { given = [:] }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        var given: [String: [String]] = [:]
        for setting in Self.declarations {
            let key = Key(stringValue: setting.name)
            if setting.rules.shape == .one {
                let text = try values.decode(Option<String?>.self, forKey: key).wrappedValue
                if let text { given[setting.name] = [text] }
            } else {
                let texts = try values.decode(Option<[String]>.self, forKey: key).wrappedValue
                if !texts.isEmpty { given[setting.name] = texts }
            }
        }
        self.given = given
    }

    var customMirror: Mirror {
        Mirror(self, children: Self.declarations.map { ($0.name, $0.option) })
    }

    /// The name of a setting, as a key of the decoder.
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension SettingDeclaration {
    /// The definition of the command line's option, for example `--socket-mode`.
    fileprivate var option: Any {
        let name = NameSpecification.customLong(name.replacing("_", with: "-"))
        let help = ArgumentHelp(stringLiteral: optionHelp)
        let completion: CompletionKind? = rules.choices.isEmpty ? nil : .list(rules.choices)
        return rules.shape == .one
            ? Option<String?>(name: name, help: help, completion: completion)
            : Option<[String]>(
                wrappedValue: [],
                name: name,
                parsing: .upToNextOption,
                help: help,
                completion: completion
            )
    }

    /// The help in one line, with the allowed values and the default, without Markdown.
    private var optionHelp: String {
        let allowed = rules.allowed.isEmpty ? "" : "\(rules.allowed); "
        return "\(help) (\(allowed)default: \(defaultValue))".replacing("`", with: "")
    }
}
