internal import FeedbackServer

extension SettingType {
    /// Returns the type of one of several values, each written as its name.
    static func choice(
        of values: [Value],
        named name: @escaping @Sendable (Value) -> String
    ) -> Self {
        let names = values.map(name)
        return SettingType(
            names.count == 2
                ? names.joined(separator: " or ") : "one of \(names.joined(separator: ", "))",
            choices: names,
            parse: { text in values.first { name($0) == text } },
            format: name
        )
    }
}

extension SettingType where Value: CaseIterable & RawRepresentable<String> {
    /// The type of one of the cases, each written as its raw value.
    static var choice: Self { choice(of: Array(Value.allCases), named: \.rawValue) }
}

extension SettingType<Bool> {
    static var flag: Self { choice(of: [true, false], named: \.description) }
}

extension SettingType<Rating> {
    static var rating: Self { choice(of: [.up, .down, .none], named: \.name) }
}
