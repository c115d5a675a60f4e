/// A moment in UTC, in whole milliseconds.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// The number of milliseconds since 1970-01-01T00:00:00Z; negative before it.
    public var millisecondsSinceEpoch: Int64

    /// Makes the moment that is the given number of milliseconds after 1970-01-01T00:00:00Z.
    public init(millisecondsSinceEpoch: Int64) {
        self.millisecondsSinceEpoch = millisecondsSinceEpoch
    }

    /// Makes the moment that is the given number of milliseconds after 1970-01-01T00:00:00Z, or the
    /// nearest moment within ``range``.
    public init(clampingMilliseconds milliseconds: Int64) {
        let first = Self.range.lowerBound.millisecondsSinceEpoch
        let last = Self.range.upperBound.millisecondsSinceEpoch
        self.init(millisecondsSinceEpoch: min(max(milliseconds, first), last))
    }

    /// The moments that google.protobuf.Timestamp can represent: the years 1 to 9999.
    public static let range =
        Timestamp(
            millisecondsSinceEpoch: -62_135_596_800_000
        )...Timestamp(
            millisecondsSinceEpoch: 253_402_300_799_999
        )

    /// The number of milliseconds of an hour.
    public static let hourMilliseconds: Int64 = 3_600_000
    /// The number of milliseconds of a day.
    public static let dayMilliseconds: Int64 = 86_400_000

    /// Returns true if `a` is earlier than `b`.
    public static func < (a: Timestamp, b: Timestamp) -> Bool {
        a.millisecondsSinceEpoch < b.millisecondsSinceEpoch
    }

    /// Returns the moment that is `milliseconds` later, or earlier if they are negative.
    package func advanced(byMilliseconds milliseconds: Int64) -> Timestamp {
        Timestamp(millisecondsSinceEpoch: millisecondsSinceEpoch + milliseconds)
    }

    /// Returns the number of milliseconds from `other` to this moment.
    package func milliseconds(since other: Timestamp) -> Int64 {
        millisecondsSinceEpoch - other.millisecondsSinceEpoch
    }

    /// The calendar day in UTC, such as `2024-01-22`.
    public var day: String { String(decoding: description.utf8.prefix(10), as: UTF8.self) }

    /// The start of the hour in UTC, such as `2024-01-22T15:00:00Z`.
    public var hour: String {
        String(decoding: description.utf8.prefix(13), as: UTF8.self) + ":00:00Z"
    }

    private var millisecondsOfDay: Int64 {
        let rest = millisecondsSinceEpoch % Timestamp.dayMilliseconds
        return rest < 0 ? rest + Timestamp.dayMilliseconds : rest
    }

    private var days: Int64 {
        millisecondsSinceEpoch.floorDivided(by: Timestamp.dayMilliseconds)
    }

    /// The year, month and day of the proleptic Gregorian calendar, by the algorithm
    /// `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
    var civil: (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}

extension Timestamp: CustomStringConvertible {
    /// The moment in RFC 3339 format with milliseconds, such as `2024-01-22T15:00:00.000Z`.
    ///
    /// A moment outside of ``range`` is written as the nearest one within it.
    public var description: String {
        String(unsafeUninitializedCapacity: Self.textBytes) { bytes in
            write(to: bytes)
            return Self.textBytes
        }
    }

    /// The number of bytes of ``description``, which is ASCII.
    package static let textBytes = 24

    /// Writes ``description`` to the first ``textBytes`` bytes of the buffer.
    package func write(to bytes: UnsafeMutableBufferPointer<UInt8>) {
        let moment = Timestamp(clampingMilliseconds: millisecondsSinceEpoch)
        let (year, month, day) = moment.civil
        let rest = moment.millisecondsOfDay
        func put(_ number: Int64, at place: Int, _ end: Unicode.Scalar) {
            // Two decimal digits, then `end`.
            let number = UInt32(truncatingIfNeeded: number)
            bytes[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / 10)
            bytes[place + 1] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10)
            bytes[place + 2] = UInt8(ascii: end)
        }
        put(year / 100, at: 0, "0")
        put(year % 100, at: 2, "-")
        put(month, at: 5, "-")
        put(day, at: 8, "T")
        let seconds = rest / 1_000
        put(seconds / 3_600, at: 11, ":")
        put(seconds / 60 % 60, at: 14, ":")
        put(seconds % 60, at: 17, ".")
        let milliseconds = rest % 1_000
        bytes[20] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: milliseconds / 100)
        put(milliseconds % 100, at: 21, "Z")
    }
}

extension Int64 {
    /// Returns the quotient, rounded towards negative infinity; the divisor must be positive.
    package func floorDivided(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
