internal import FeedbackServer

extension SettingType<String> {
    /// The type of any text that is not empty.
    static var text: Self {
        let rule = "must be a text of 1 to \(SettingLimits.textBytesMax) bytes"
        return SettingType(
            SettingRules(allowed: "", rule: rule),
            parse: { $0.isEmpty ? nil : $0 },
            format: { $0 }
        )
    }
}

extension SettingType<Int> {
    /// Returns the type of a whole number within the range.
    static func number(_ range: ClosedRange<Int>) -> Self {
        SettingType(
            "a whole number from \(range.lowerBound) to \(range.upperBound)",
            parse: { Int($0).flatMap { range.contains($0) ? $0 : nil } },
            format: { "\($0)" }
        )
    }
}

extension SettingType<Duration> {
    /// Returns the type of a time in whole seconds within the range.
    static func seconds(_ range: ClosedRange<Int>) -> Self {
        SettingType(
            "a whole number of seconds from \(range.lowerBound) to \(range.upperBound)",
            parse: { Int($0).flatMap { range.contains($0) ? .seconds($0) : nil } },
            format: { "\($0.components.seconds)" }
        )
    }
}

extension SettingType<Double> {
    /// The type of a share that can be exceeded: at least 0 and less than 1.
    static var share: Self {
        SettingType(
            "a number from 0 to less than 1",
            parse: { Double($0).flatMap { (0..<1).contains($0) ? $0 : nil } },
            format: { "\($0)" }
        )
    }
}

extension SettingType<UInt32> {
    /// The type of permission bits like `0660`, `660` or `0o660`, which let the daemon itself use
    /// its socket.
    static var permissions: Self {
        SettingType(
            "octal, from 0600 to 0777, like 0660",
            parse: { text in
                let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
                guard let bits = UInt32(digits, radix: 8), bits & ~0o777 == 0, bits & 0o600 == 0o600
                else { return nil }
                return bits
            },
            format: { "0\(String($0, radix: 8))" }
        )
    }

    /// The type of a user ID; the highest one stands for no user (chown(2)).
    static var userID: Self {
        let range = 0...UInt32.max - 1
        return SettingType(
            "a whole number from \(range.lowerBound) to \(range.upperBound)",
            parse: { UInt32($0).flatMap { range.contains($0) ? $0 : nil } },
            format: { "\($0)" }
        )
    }
}

extension SettingType<StoreLocation> {
    /// The type of the location of a store.
    static var store: Self {
        SettingType(
            "memory:, sqlite:PATH or mongodb://…",
            parse: { text throws(SettingFault) in
                do {
                    return try StoreLocation(text)
                } catch {
                    // The text of the error contains no secret.
                    throw SettingFault(rule: "cannot be used: \(Feedbackd.line(error))")
                }
            },
            format: \.description
        )
    }
}

extension SettingType<MetricsAddress> {
    /// The type of an address that only this host can reach.
    static var localAddress: Self {
        SettingType(
            "unix:PATH, 127.0.0.1:PORT or [::1]:PORT",
            parse: { text throws(SettingFault) in
                do {
                    return try MetricsAddress(text)
                } catch {
                    throw SettingFault(rule: Feedbackd.line(error))
                }
            },
            format: \.description
        )
    }
}
