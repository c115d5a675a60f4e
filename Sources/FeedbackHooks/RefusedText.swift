internal import FeedbackModel
internal import Foundation
internal import Glibc

/// Words and regular expressions that a comment must not contain.
///
/// Words are looked up in a set: a comment is read once, however many words there are. Regular
/// expressions are those of ICU, which Foundation contains: a search of 100 characters takes about
/// a microsecond, a thirtieth of what Swift's own `Regex` needs, and can be stopped when it
/// backtracks without end.
public struct RefusedText: Sendable {
    /// The maximum number of words.
    public static let wordsMax = 10_000
    /// The maximum number of bytes of a word, which consists of letters and digits only.
    public static let wordBytesMax = 64
    /// The maximum number of expressions.
    public static let patternsMax = 100
    /// The maximum number of bytes of an expression.
    public static let patternBytesMax = 1_000
    /// The maximum number of capture groups of an expression: they multiply the memory of a search,
    /// and ICU reports a search that runs out of memory as one without a match.
    public static let captureGroupsMax = 16
    /// The maximum processor time that the expressions may take for one comment before it is
    /// refused.
    ///
    /// With 1,000 characters, `.*a.*b` takes 19 ms, and `(a+)+$` longer than the age of the
    /// universe.
    public static let searchTimeMax = Duration.milliseconds(50)

    private let words: Set<String>
    private let patterns: [NSRegularExpression]

    /// Compiles the lists; nil if both are empty.
    ///
    /// - Throws: INVALID_ARGUMENT that names the list, the number of the entry, and the accepted
    ///   values.
    init?(words: [String], patterns: [String]) throws(CallError) {
        if words.isEmpty, patterns.isEmpty { return nil }
        guard words.count <= Self.wordsMax else {
            throw .invalid("refused_words", "must be at most \(Self.wordsMax)")
        }
        guard patterns.count <= Self.patternsMax else {
            throw .invalid("refused_patterns", "must be at most \(Self.patternsMax)")
        }
        for (index, word) in words.enumerated() {
            guard word.utf8.count <= Self.wordBytesMax, !word.isEmpty,
                word.unicodeScalars.allSatisfy(\.isOfWord)
            else {
                throw .invalid(
                    "refused_words",
                    "number \(index + 1) must be one word of at most \(Self.wordBytesMax) bytes; "
                        + "refused_patterns take anything else"
                )
            }
        }
        self.words = Set(words.map { $0.lowercased() })
        self.patterns = try patterns.enumerated().map { index, pattern throws(CallError) in
            guard (1...Self.patternBytesMax).contains(pattern.utf8.count),
                let expression = try? NSRegularExpression(
                    pattern: pattern,
                    options: .caseInsensitive
                ),
                expression.numberOfCaptureGroups <= Self.captureGroupsMax
            else {
                throw .invalid(
                    "refused_patterns",
                    "number \(index + 1) must be a regular expression of at most "
                        + "\(Self.patternBytesMax) bytes and \(Self.captureGroupsMax) groups"
                )
            }
            return expression
        }
    }

    /// Returns the reason for which the comment is refused, without a part of the comment; nil if
    /// it is accepted.
    func reasonToRefuse(_ comment: String) -> String? {
        if !words.isEmpty, hasRefusedWord(comment) { return "has a refused word" }
        if patterns.isEmpty { return nil }
        let search = Search()
        for (index, pattern) in patterns.enumerated() {
            switch search.run(pattern, in: comment) {
            case .notFound: continue
            case .found: return "matches refused pattern \(index + 1)"
            case .endless: return "takes too long to compare with refused pattern \(index + 1)"
            }
        }
        return nil
    }

    private func hasRefusedWord(_ comment: String) -> Bool {
        var scalars = comment.unicodeScalars[...]
        while let start = scalars.firstIndex(where: \.isOfWord) {
            let word = scalars[start...].prefix(while: \.isOfWord)
            // A longer word cannot be in the set; lower case may change its length a little.
            if word.utf8Count <= 2 * Self.wordBytesMax, words.contains(String(word).lowercased()) {
                return true
            }
            scalars = scalars[word.endIndex...]
        }
        return false
    }
}

extension Substring.UnicodeScalarView {
    fileprivate var utf8Count: Int { Substring(self).utf8.count }
}

extension Unicode.Scalar {
    /// True if the character is part of a word: a letter, a mark on one, or a digit.
    fileprivate var isOfWord: Bool {
        if isASCII {
            return switch self {
            case "a"..."z", "A"..."Z", "0"..."9": true
            default: false
            }
        }
        return switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .letterNumber,
            .otherNumber:
            true
        default: false
        }
    }
}

/// The searches in one comment, which share the time limit.
private struct Search {
    enum Outcome {
        case found, notFound, endless
    }

    /// The number of ICU's progress reports between two readings of the clock.
    ///
    /// ICU reports after each position that it has tried, and within one after each 10,000 steps,
    /// which take about 0.3 ms.
    private static let reportsPerLook = 16
    private let end = threadTime() + RefusedText.searchTimeMax

    func run(_ pattern: NSRegularExpression, in text: String) -> Outcome {
        var outcome = Outcome.notFound
        var reports = 0
        pattern.enumerateMatches(
            in: text,
            options: .reportProgress,
            range: NSRange(location: 0, length: text.utf16.count)
        ) { match, _, stop in
            reports += 1
            if match != nil {
                outcome = .found
                stop.pointee = true
            } else if reports % Self.reportsPerLook == 0, Self.threadTime() > end {
                outcome = .endless
                stop.pointee = true
            }
        }
        return outcome
    }

    /// Returns the processor time that this thread has used, which the load of other programs does
    /// not change.
    private static func threadTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
