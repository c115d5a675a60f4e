/// The type of a setting: the texts that are allowed, and their conversion to a value and back.
struct SettingType<Value: Sendable>: Sendable {
    let rules: SettingRules
    /// Converts texts to a value: any number of them for lists and pairs, else exactly one.
    let parse: @Sendable ([String]) throws(SettingFault) -> Value
    /// Writes a value as a user would.
    let format: @Sendable (Value) -> String
}

/// The description of the texts that a setting may have.
struct SettingRules: Sendable {
    var shape = SettingShape.one
    /// The allowed texts for the help and the reference, for example `true or false`; empty for any
    /// text.
    var allowed: String
    /// The rule for errors, as a sentence about the key, for example `must be true or false`.
    var rule: String
    /// The texts that a shell can complete; empty if they cannot be listed.
    var choices: [String] = []
}

/// The shape of a setting in the file.
enum SettingShape: Sendable {
    /// One text, number or word.
    case one
    /// A list, or a single entry without brackets.
    case list
    /// Names with a text each; sources that only have lists write an entry as `NAME: TEXT`.
    case pairs
}

/// The rule that a value breaks, as a sentence about its key, without the value, which may be a
/// secret.
struct SettingFault: Error {
    let rule: String
}

extension SettingType {
    /// Makes a type whose values are one text, with the rule that the text must be as `allowed`
    /// says.
    ///
    /// `parse` returns nil for a text that breaks the rule. It never gets a text that is too long
    /// or contains the NUL character.
    init(
        _ allowed: String,
        choices: [String] = [],
        parse: @escaping @Sendable (String) throws(SettingFault) -> Value?,
        format: @escaping @Sendable (Value) -> String
    ) {
        let rules = SettingRules(allowed: allowed, rule: "must be \(allowed)", choices: choices)
        self.init(rules, parse: parse, format: format)
    }

    /// Makes a type whose values are one text, with a rule of its own.
    init(
        _ rules: SettingRules,
        parse: @escaping @Sendable (String) throws(SettingFault) -> Value?,
        format: @escaping @Sendable (Value) -> String
    ) {
        self.init(
            rules: rules,
            parse: { texts throws(SettingFault) in
                guard let text = texts.last, text.utf8.count <= SettingLimits.textBytesMax,
                    !text.utf8.contains(0), let value = try parse(text)
                else { throw SettingFault(rule: rules.rule) }
                return value
            },
            format: format
        )
    }
}
