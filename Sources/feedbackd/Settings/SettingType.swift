/// The type of a setting: the texts that it may have, and the value that they become.
struct SettingType<Value: Sendable>: Sendable {
    let rules: SettingRules
    /// Makes the value of the texts: any number of them for lists and pairs, else exactly one.
    let parse: @Sendable ([String]) throws(SettingFault) -> Value
    /// Writes a value as its user would.
    let format: @Sendable (Value) -> String
}

/// The texts that a setting may have, in words.
struct SettingRules: Sendable {
    var shape = SettingShape.one
    /// For the help and the reference, like `true or false`; empty for any text.
    var allowed: String
    /// For errors, as a sentence about the key, like `must be true or false`.
    var rule: String
    /// For a shell to complete; empty where the texts cannot be listed.
    var choices: [String] = []
}

/// The shape that a setting has in the file.
enum SettingShape: Sendable {
    /// One text, number or word.
    case one
    /// A list, or a single entry without brackets.
    case list
    /// Names with a text each; where only lists can be written, their entries are `NAME: TEXT`.
    case pairs
}

/// The rule that a value breaks, as a sentence about its key; never the value, which may be a secret.
struct SettingFault: Error {
    let rule: String
}

extension SettingType {
    /// Makes a type with values of one text, whose rule is that they must be what is allowed.
    ///
    /// The closure returns nil for a text that breaks the rule. Texts that are too long or have NUL
    /// do not come to it.
    init(
        _ allowed: String,
        choices: [String] = [],
        parse: @escaping @Sendable (String) throws(SettingFault) -> Value?,
        format: @escaping @Sendable (Value) -> String
    ) {
        let rules = SettingRules(allowed: allowed, rule: "must be \(allowed)", choices: choices)
        self.init(rules, parse: parse, format: format)
    }

    /// Makes a type with values of one text, whose rule is more than what is allowed.
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
