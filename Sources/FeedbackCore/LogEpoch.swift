public import FeedbackModel

/// The name of one history of a log whose positions are numbers.
///
/// The text of a position is the epoch, a hyphen and the number. The epoch is random and new for each
/// new database, and for one that was put back from a copy: so the position of another history is
/// refused and never taken for one of this.
public struct LogEpoch: Sendable, Hashable {
    /// The number of hexadecimal digits of an epoch.
    public static let digits = 16

    /// The advice for a reader whose position is refused.
    package static let remedy =
        "begin again without a position, and take what comes for the whole"

    /// The text of the epoch: lower-case hexadecimal digits.
    public let text: String

    /// Makes the epoch of its text; nil if that is not the text of an epoch.
    public init?(_ text: String) {
        guard text.utf8.count == Self.digits, text.utf8.allSatisfy(\.isHexDigit) else { return nil }
        self.text = text
    }

    private init(number: UInt64) {
        let hex = String(number, radix: 16)
        text = String(repeating: "0", count: Self.digits - hex.utf8.count) + hex
    }

    /// Makes a new epoch.
    public static func random() -> LogEpoch { LogEpoch(number: .random(in: .min ... .max)) }

    /// Returns the position of a number.
    public func position(_ number: Int64) -> LogPosition { LogPosition("\(text)-\(number)") }

    /// Returns the number after which a reader begins.
    ///
    /// - Parameters:
    ///   - start: the place at which the reader begins.
    ///   - end: the highest number that was given.
    ///   - firstKept: the number after which all changes are kept.
    /// - Returns: `firstKept` or above.
    /// - Throws: INVALID_ARGUMENT for a position that is none; OUT_OF_RANGE for one of another epoch,
    ///   above `end` or below `firstKept`, with what to do.
    public func number(
        of start: LogStart,
        end: Int64,
        firstKept: Int64
    ) throws(CallError) -> Int64 {
        switch start {
        // What is gone is of no interest to a reader that has seen nothing.
        case .beginning: return firstKept
        case .now: return end
        case .after(let position):
            let parts = position.text.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let epoch = LogEpoch(String(parts[0])),
                parts[1].utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
                let number = Int64(parts[1])
            else { throw .invalid("start_position", "must be a position that a stream gave") }
            let reason: String
            if epoch != self {
                reason = "of another store, or of this one before it was restored"
            } else if number > end {
                reason = "of a change that this store has not made"
            } else if number < firstKept {
                reason = "of changes that are no longer kept"
            } else {
                return number
            }
            throw CallError(
                .outOfRange,
                "start_position: is \(reason): \(Self.remedy)"
            )
        }
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= self
            || UInt8(ascii: "a")...UInt8(ascii: "f") ~= self
    }
}
