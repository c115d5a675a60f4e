extension SettingType {
    /// Returns the type of a list of at most `max` entries, in their order.
    static func list<Element>(
        of element: SettingType<Element>,
        max: Int
    ) -> Self where Value == [Element] {
        var rules = element.rules
        rules.shape = .list
        rules.allowed = rules.allowed.isEmpty ? "a list" : "a list, each \(rules.allowed)"
        rules.rule = "must be a list"
        return SettingType(
            rules: rules,
            parse: { texts throws(SettingFault) in
                guard texts.count <= max else {
                    throw SettingFault(rule: "must have at most \(max) entries")
                }
                var values: [Element] = []
                for text in texts { values.append(try element.parse([text])) }
                return values
            },
            format: { $0.map(element.format).joined(separator: ", ") }
        )
    }

    /// Returns the type of a set of at most `max` entries.
    ///
    /// An empty list is allowed, unless `minimum` is given, which completes the error text `must
    /// have at least one …`.
    static func set<Element>(
        of element: SettingType<Element>,
        max: Int,
        atLeastOne minimum: String? = nil
    ) -> Self where Value == Set<Element> {
        let list = SettingType<[Element]>.list(of: element, max: max)
        return SettingType(
            rules: list.rules,
            parse: { texts throws(SettingFault) in
                if let minimum, texts.isEmpty {
                    throw SettingFault(rule: "must have at least one \(minimum)")
                }
                return Set(try list.parse(texts))
            },
            format: { $0.map(element.format).sorted().joined(separator: ", ") }
        )
    }
}

extension SettingType<[String: String]> {
    /// Returns the type of at most `max` names with a text each.
    static func pairs(max: Int) -> Self {
        let allowed = "names with a text each"
        let rules = SettingRules(shape: .pairs, allowed: allowed, rule: "must be \(allowed)")
        let entries = SettingType<[String]>.list(of: .text, max: max)
        return SettingType(
            rules: rules,
            parse: { texts throws(SettingFault) in
                var pairs: [String: String] = [:]
                for entry in try entries.parse(texts) {
                    guard let colon = entry.firstIndex(of: ":") else {
                        throw SettingFault(rule: rules.rule)
                    }
                    let text = entry[entry.index(after: colon)...]
                    pairs[String(entry[..<colon])] = String(text.drop { $0 == " " })
                }
                return pairs
            },
            format: { entries.format($0.map { "\($0): \($1)" }.sorted()) }
        )
    }
}
