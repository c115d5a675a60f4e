import FeedbackCore
import FeedbackModel

/// A generator of pseudo-random numbers that are the same in every run: SplitMix64 (Steele, Lea and
/// Flood, "Fast Splittable Pseudorandom Number Generators").
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

/// Feedback of some sessions over three days around the epoch, and queries for it.
struct SampleFeedback {
    static let sessions = (0..<5).map { "session \($0)" }
    static let messages = ["", "", "m1", "m2", "m3"]
    static let metadataKey = "team"
    private static let comments = [
        "", "", "ok", "\u{1F469}\u{200D}\u{1F4BB}!", "long ".repeated(9),
    ]
    private static let values: [MetadataValue?] = [
        nil, .string("blue"), .number(0.1),
        .object(["b": .list([.null, .bool(true)]), "a": .number(1)]),
        .string(""),
    ]

    private var random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    /// Adds the same feedback to all stores.
    mutating func fill(_ stores: [any Store], count: Int) async throws {
        // The clock advances by minutes, stands still at times, and is sometimes set back.
        var clock = -36 * Timestamp.hourMilliseconds
        for index in 0..<count {
            let step: Int64 =
                switch Int.random(in: 0..<20, using: &random) {
                case 0: -Int64.random(in: 0...3 * Timestamp.hourMilliseconds, using: &random)
                case 1...3: 0
                case 4...5: Timestamp.hourMilliseconds - clock % Timestamp.hourMilliseconds
                default: Int64.random(in: 0...1_500_000, using: &random)
                }
            clock += step
            let draft = FeedbackDraft(
                sessionID: pick(Self.sessions),
                rating: pick(Rating.allCases),
                comment: pick(Self.comments),
                requestID: "r\(index)",
                messageID: pick(Self.messages)
            )
            let change = AcceptedChange(
                .add(draft),
                feedbackID: .ascending(),
                acceptedAt: Timestamp(millisecondsSinceEpoch: clock)
            )
            for store in stores { _ = try await store.commit(change, context: CallContext()) }
        }
        for (session, value) in zip(Self.sessions, Self.values) {
            guard let value else { continue }
            for store in stores {
                _ = try await store.changeMetadata(session, .merge([Self.metadataKey: value]))
            }
        }
    }

    mutating func listQuery() -> FeedbackQuery {
        FeedbackQuery(
            sessionID: Bool.random(using: &random) ? nil : pick(Self.sessions + ["unknown"]),
            ratings: Set(Rating.allCases.filter { _ in Bool.random(using: &random) }),
            created: timeRange(),
            messageID: Int.random(in: 0..<3, using: &random) == 0 ? pick(["m1", "m2", "m9"]) : "",
            hasComment: pick([nil, true, false]),
            newestFirst: Bool.random(using: &random),
            pageSize: Int.random(in: 5...60, using: &random)
        )
    }

    mutating func metricsQuery(_ grouping: MetricsGrouping) -> MetricsQuery {
        MetricsQuery(
            sessionID: Bool.random(using: &random) ? nil : pick(Self.sessions + ["unknown"]),
            created: timeRange(),
            grouping: grouping
        )
    }

    /// Returns a range of time; half of the bounds cut an hour, and some ranges are empty or
    /// inverted.
    private mutating func timeRange() -> TimeRange {
        TimeRange(from: bound(), until: bound())
    }

    private mutating func bound() -> Timestamp? {
        let hour = Int64.random(in: -40...60, using: &random) * Timestamp.hourMilliseconds
        return switch Int.random(in: 0..<4, using: &random) {
        case 0: nil
        case 1: Timestamp(millisecondsSinceEpoch: hour)
        default:
            Timestamp(
                millisecondsSinceEpoch: hour + .random(in: 0..<3_600_000, using: &random)
            )
        }
    }

    private mutating func pick<T>(_ choices: [T]) -> T {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }
}

extension String {
    fileprivate func repeated(_ count: Int) -> String {
        String(repeating: self, count: count)
    }
}
