internal import ArgumentParser
internal import FeedbackClient

/// A value of metadata as an argument: JSON, or text if it is no JSON.
struct JSONArgument {
    let value: MetadataValue

    /// Reads the argument.
    ///
    /// - Throws: a `ValidationError` if it is JSON with a number that would come back as another
    ///   one, since numbers of metadata are doubles.
    init(_ text: String) throws {
        let isJSON = Self.decoded(Self.replacingNumbers(in: text)) != nil
        if isJSON, let number = Self.numbers(in: text).first(where: { !Self.isKept($0) }) {
            throw ValidationError(
                "the number \(number) cannot be kept exactly; in quotes, \"\(number)\", it is kept "
                    + "as text"
            )
        }
        value = Self.decoded(text) ?? .string(text)
    }

    private static func decoded(_ text: String) -> MetadataValue? {
        MetadataValue(json: text)
    }

    // MARK: - Numbers

    /// A string or a number of JSON (RFC 8259, sections 6 and 7); only numbers are captured.
    private static var token: Regex<(Substring, Substring?)> {
        #/"(?:[^"\\]|\\.)*"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/#
            .matchingSemantics(.unicodeScalar)
    }

    private static func numbers(in text: String) -> [Substring] {
        text.matches(of: token).compactMap(\.output.1)
    }

    /// Returns the text with each number replaced by null, which is JSON only if the text is,
    /// whether or not a double can represent the numbers.
    private static func replacingNumbers(in text: String) -> String {
        text.replacing(token) { $0.output.1 == nil ? String($0.output.0) : "null" }
    }

    /// Returns true if a double, written as JSON, is the same number.
    private static func isKept(_ number: Substring) -> Bool {
        guard let double = Double(number), double.isFinite else { return false }
        if let whole = Int64(number), let kept = Int64(exactly: double) { return whole == kept }
        return Decimals(number) == Decimals("\(double)")
    }
}

/// A decimal number, so that two of them are equal only if their values are.
private struct Decimals: Equatable {
    private let isNegative: Bool
    /// The digits from the first to the last that is not 0.
    private let digits: String
    /// The power of ten of the last digit; 0 if there are no digits.
    private let exponent: Int

    /// Takes a number apart; nil if the exponent is beyond any that matters.
    init?(_ number: some StringProtocol) {
        let parts = number.lowercased().split(separator: "e")
        guard var exponent = parts.count == 1 ? 0 : Int(parts[1]) else { return nil }
        let mantissa = parts[0].drop { $0 == "-" }.split(separator: ".")
        if mantissa.count == 2 { exponent -= mantissa[1].count }
        var digits = mantissa.joined(separator: "").drop { $0 == "0" }
        while digits.last == "0" {
            digits.removeLast()
            exponent += 1
        }
        isNegative = parts[0].hasPrefix("-")
        self.digits = String(digits)
        self.exponent = digits.isEmpty ? 0 : exponent
    }
}
