extension Timestamp {
    /// Makes the moment that a text in RFC 3339 format means, such as
    /// `2024-01-22T16:00:00.5+01:00`, rounded up to whole milliseconds.
    ///
    /// Nil for every other text: a day or a time of day that the calendar does not have, an offset
    /// of 24 hours or more, a moment outside of ``range``. A leap second, `:60`, is no moment here,
    /// as in google.protobuf.Timestamp.
    package init?(rfc3339 text: String) {
        var reader = RFC3339Reader(text)
        guard let year = reader.number(digits: 4, in: 0...9_999), reader.take("-"),
            let month = reader.number(digits: 2, in: 1...12), reader.take("-"),
            let day = reader.number(digits: 2, in: 1...31), reader.take("T", "t"),
            let seconds = reader.timeOfDay(),
            let milliseconds = reader.fractionInMilliseconds(),
            let offset = reader.offsetInMinutes(), reader.isAtEnd
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        let local = Timestamp(millisecondsSinceEpoch: days * Self.dayMilliseconds)
        guard local.civil == (year, month, day) else { return nil }
        let second = local.advanced(byMilliseconds: seconds * 1_000 - offset * 60_000)
        guard Self.range.contains(second) else { return nil }
        // The last moments of the year 9999 would be rounded beyond the range.
        self = min(second.advanced(byMilliseconds: milliseconds), Self.range.upperBound)
    }

    /// Returns the number of days from 1970-01-01 to a day of the proleptic Gregorian calendar, by
    /// the algorithm `days_from_civil` of Howard Hinnant's "chrono-Compatible Low-Level Date
    /// Algorithms"; a day beyond the month's last is one of the next month.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.floorDivided(by: 400)
        let yearOfEra = shifted - era * 400
        let monthFromMarch = month > 2 ? month - 3 : month + 9
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// Reads the parts of a moment in RFC 3339 format (section 5.6), one after the other.
private struct RFC3339Reader {
    private var rest: Substring.UTF8View

    init(_ text: String) { rest = text[...].utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    /// Takes the next byte if it is one of those that are accepted.
    mutating func take(_ accepted: Unicode.Scalar...) -> Bool {
        guard let byte = rest.first, accepted.contains(Unicode.Scalar(byte)) else { return false }
        rest.removeFirst()
        return true
    }

    /// Takes a number of exactly that many digits; nil if there is none within the range.
    mutating func number(digits count: Int, in range: ClosedRange<Int64>) -> Int64? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy(\.isDigit) else { return nil }
        rest = rest.dropFirst(count)
        let number = digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        return range.contains(number) ? number : nil
    }

    /// Takes `15:04:05` and returns the seconds since midnight.
    mutating func timeOfDay() -> Int64? {
        guard let minutes = minutes(), take(":"), let seconds = number(digits: 2, in: 0...59)
        else { return nil }
        return minutes * 60 + seconds
    }

    /// Takes `.123`, if it is there, and returns its milliseconds, rounded up.
    mutating func fractionInMilliseconds() -> Int64? {
        guard take(".") else { return 0 }
        let digits = rest.prefix(while: \.isDigit)
        guard !digits.isEmpty else { return nil }
        rest = rest.dropFirst(digits.count)
        var milliseconds: Int64 = 0
        var unit: Int64 = 100
        for digit in digits.prefix(3) {
            milliseconds += Int64(digit - UInt8(ascii: "0")) * unit
            unit /= 10
        }
        let isWhole = digits.dropFirst(3).allSatisfy { $0 == UInt8(ascii: "0") }
        return isWhole ? milliseconds : milliseconds + 1
    }

    /// Takes `Z` or an offset such as `+01:00`, and returns its minutes.
    mutating func offsetInMinutes() -> Int64? {
        if take("Z", "z") { return 0 }
        if take("+") { return minutes() }
        return take("-") ? minutes().map { -$0 } : nil
    }

    /// Takes `15:04` and returns the minutes since midnight.
    private mutating func minutes() -> Int64? {
        guard let hours = number(digits: 2, in: 0...23), take(":"),
            let minutes = number(digits: 2, in: 0...59)
        else { return nil }
        return hours * 60 + minutes
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
