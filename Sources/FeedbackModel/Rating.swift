/// A rating of an agent's answer.
///
/// The raw values are those of `feedback.v1.Rating`.
public enum Rating: Int32, Sendable, Hashable, CaseIterable, Codable {
    /// No rating; counted as neutral.
    case none = 0
    /// Thumbs up.
    case up = 1
    /// Thumbs down.
    case down = 2

    /// The rating's name in commands, settings and logs: `up`, `down` or `none`.
    public var name: String {
        switch self {
        case .up: "up"
        case .down: "down"
        case .none: "none"
        }
    }
}
