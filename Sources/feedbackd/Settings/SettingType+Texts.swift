internal import FeedbackServer
internal import RPC

extension SettingType<String> {
    /// Any text but an empty one.
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
    /// A whole number.
    static func number(_ range: ClosedRange<Int>) -> Self {
        SettingType(
            "a whole number from \(range.lowerBound) to \(range.upperBound)",
            parse: { Int($0).flatMap { range.contains($0) ? $0 : nil } },
            format: { "\($0)" }
        )
    }
}

extension SettingType<Duration> {
    /// A time in whole seconds.
    static func seconds(_ range: ClosedRange<Int>) -> Self {
        SettingType(
            "a whole number of seconds from \(range.lowerBound) to \(range.upperBound)",
            parse: { Int($0).flatMap { range.contains($0) ? .seconds($0) : nil } },
            format: { "\($0.components.seconds)" }
        )
    }
}

extension SettingType<Double> {
    /// A part of a whole, as a number that something can be above.
    static var share: Self {
        SettingType(
            "a number from 0 to less than 1",
            parse: { Double($0).flatMap { (0..<1).contains($0) ? $0 : nil } },
            format: { "\($0)" }
        )
    }
}

extension SettingType<UInt32> {
    /// Permission bits with which the daemon itself reaches its socket: `0660`, `660` or `0o660`.
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

    /// A user's number; the last one stands for no user (chown(2)).
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
    /// The place of a store.
    static var store: Self {
        SettingType(
            "memory:, sqlite:PATH or mongodb://…",
            parse: { text throws(SettingFault) in
                do {
                    return try StoreLocation(text)
                } catch {
                    // The error repeats no secret.
                    throw SettingFault(rule: "cannot be used: \(Feedbackd.line(error))")
                }
            },
            format: \.description
        )
    }
}

extension SettingType<PageAddress> {
    /// An address that only this host can reach.
    static var localAddress: Self {
        SettingType(
            "unix:PATH, 127.0.0.1:PORT or [::1]:PORT",
            parse: { text throws(SettingFault) in
                do {
                    return try PageAddress(text)
                } catch {
                    throw SettingFault(rule: Feedbackd.line(error))
                }
            },
            format: \.description
        )
    }
}
